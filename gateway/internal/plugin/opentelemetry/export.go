package opentelemetry

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/posting"
)

// The values of protocol, by the names of OTEL_EXPORTER_OTLP_PROTOCOL.
const (
	overHTTP = "http/protobuf"
	overGRPC = "grpc"
)

const export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// checkEndpoint wants no path where it would mean nothing: one is left over from OTLP
// over HTTP, whose port is another one.
func checkEndpoint(c entity.Record) map[string]any {
	endpoint, _ := c["endpoint"].(string)
	u, err := url.Parse(endpoint)
	if c["protocol"] != overGRPC || err != nil || u.Path == "" || u.Path == "/" {
		return nil
	}
	return map[string]any{"endpoint": "must have no path with protocol=grpc"}
}

// sender delivers batches of TracesData. Messages of Protocol Buffers one after
// another are one with all of their repeated fields, and an ExportTraceServiceRequest
// has the same field as TracesData.
type sender struct {
	send  func(ctx context.Context, batch [][]byte) error
	close func()
}

func newSender(in *config) (*sender, error) {
	c := posting.Config{
		URL: in.Endpoint, Method: http.MethodPost, ContentType: "application/x-protobuf", Headers: in.Headers,
		Connect: posting.Millis(in.ConnectTimeout), Timeout: posting.Millis(in.ConnectTimeout + in.SendTimeout + in.ReadTimeout),
		Keepalive: posting.Millis(60_000),
	}
	if in.Protocol != overGRPC {
		to, err := posting.New(c)
		if err != nil {
			return nil, fmt.Errorf("opentelemetry: %w", err)
		}
		send := func(ctx context.Context, batch [][]byte) error {
			answer, err := to.Ask(ctx, bytes.Join(batch, nil))
			if err != nil {
				return err
			}
			return partial(answer, len(batch))
		}
		return &sender{send, to.Close}, nil
	}
	to, err := posting.NewGRPC(c, export)
	if err != nil {
		return nil, fmt.Errorf("opentelemetry: %w", err)
	}
	send := func(ctx context.Context, batch [][]byte) error {
		answer, err := to.Call(ctx, bytes.Join(batch, nil))
		if err != nil {
			return judge(err)
		}
		return partial(answer, len(batch))
	}
	return &sender{send, to.Close}, nil
}

// judge marks what another try does not mend, as the specification of OTLP tells
// them apart.
func judge(err error) error {
	var refusal *posting.StatusError
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Code {
	case posting.Canceled, posting.DeadlineExceeded, posting.Aborted, posting.OutOfRange, posting.Unavailable, posting.DataLoss:
		return err
	case posting.ResourceExhausted:
		// The server says when to come again; otherwise the batch itself is too much.
		if detailed(refusal.Details, "google.rpc.RetryInfo") {
			return err
		}
	}
	return logqueue.Permanent(err)
}

// detailed tells whether the details of a status name a type. It is not decoded: what
// it says, the queue's own delays take the place of.
func detailed(details []byte, name string) bool {
	raw, err := base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(details, "=")))
	return err == nil && bytes.Contains(raw, []byte(name))
}

// partial is an error if the server says, in an ExportTraceServiceResponse, that it
// did not take all spans. Which requests they were of, it does not say.
func partial(answer []byte, entries int) error {
	success := lastField(answer, 1, protowire.BytesType)
	rejected, _ := protowire.ConsumeVarint(lastField(success, 1, protowire.VarintType))
	if rejected == 0 {
		return nil
	}
	why := lastField(success, 2, protowire.BytesType)
	n := int(min(rejected, uint64(entries))) //nolint:gosec // at most entries
	return logqueue.Rejected(n, fmt.Errorf("the collector has rejected %d spans: %.200q", rejected, why))
}

// lastField is the value of a field, without the length of one that has a length; nil
// where there is none, or the message is malformed.
func lastField(b []byte, number protowire.Number, kind protowire.Type) (value []byte) {
	for len(b) > 0 {
		n, k, size := protowire.ConsumeTag(b)
		if size < 0 {
			return nil
		}
		b = b[size:]
		size = protowire.ConsumeFieldValue(n, k, b)
		if size < 0 {
			return nil
		}
		if n == number && k == kind {
			value = b[:size]
			if k == protowire.BytesType {
				value, _ = protowire.ConsumeBytes(value)
			}
		}
		b = b[size:]
	}
	return value
}
