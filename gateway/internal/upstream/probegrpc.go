package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	healthMethod  = "/grpc.health.v1.Health/Check"
	serving       = 1 // of HealthCheckResponse.status
	mostHealth    = 4 << 10
	framePrefix   = 5 // a flag and a length before each message
	grpcOK        = "0"
	grpcNotFound  = "5"
	grpcNoSuch    = "12"
	grpcTypeField = "application/grpc"
)

var errHealthAnswer = errors.New("the answer is none of grpc.health.v1")

// askGRPC makes one probe by gRPC's health checking protocol. Its result is told as
// a status of HTTP: 200 where the target serves, 404 where it does not know the
// service, 501 where it does not implement the protocol, 503 otherwise.
func (n *prober) askGRPC(ctx context.Context) (status int, err error) {
	scheme := "http"
	if n.rules.spec.kind == "grpcs" {
		scheme = "https"
	}
	url := scheme + "://" + n.target.Address + healthMethod
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(n.healthRequest()))
	if err != nil {
		return 0, fmt.Errorf("probe %s: %w", n.target.Address, err)
	}
	req.Host = n.hostHeader()
	for name, values := range n.rules.spec.headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("Content-Type", grpcTypeField)
	req.Header.Set("TE", "trailers")
	req.Header.Set("User-Agent", "gatelab/health")
	conn, err := n.dialGRPC(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	codec := &http2.Transport{DisableCompression: true} //nolint:staticcheck // see http2Pool
	cc, err := codec.NewClientConn(conn)                //nolint:staticcheck // as above
	if err != nil {
		return 0, fmt.Errorf("begin HTTP/2: %w", err)
	}
	defer cc.Close()
	res, err := cc.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostHealth))
	if err != nil {
		return 0, err
	}
	return healthStatus(res, body)
}

func (n *prober) dialGRPC(ctx context.Context) (net.Conn, error) {
	if n.rules.spec.kind == "grpcs" {
		return n.dialTLS(ctx, "tcp", "")
	}
	return n.target.host.dial(ctx)
}

// healthRequest is a HealthCheckRequest, framed: of the service that http_path
// names, without its slash; of the server as a whole where it is "/".
func (n *prober) healthRequest() []byte {
	var message []byte
	if service := strings.Trim(n.rules.spec.path, "/"); service != "" {
		message = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), service)
	}
	return append([]byte{0, 0, 0, byte(len(message) >> 8), byte(len(message))}, message...) //nolint:gosec // a path is shorter than 64 KiB
}

func healthStatus(res *http.Response, body []byte) (int, error) {
	code := res.Trailer.Get("Grpc-Status")
	if code == "" {
		code = res.Header.Get("Grpc-Status") // of an answer without a body
	}
	switch code {
	case grpcOK:
	case grpcNotFound:
		return http.StatusNotFound, nil
	case grpcNoSuch:
		return http.StatusNotImplemented, nil
	case "":
		return 0, errHealthAnswer
	default:
		return http.StatusServiceUnavailable, nil
	}
	if len(body) < framePrefix || body[0] != 0 {
		return 0, errHealthAnswer
	}
	for b := body[framePrefix:]; len(b) > 0; {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return 0, errHealthAnswer
		}
		if number == 1 && kind == protowire.VarintType {
			if v, n := protowire.ConsumeVarint(b[size:]); n > 0 && v == serving {
				return http.StatusOK, nil
			}
			return http.StatusServiceUnavailable, nil
		}
		rest := protowire.ConsumeFieldValue(number, kind, b[size:])
		if rest < 0 {
			return 0, errHealthAnswer
		}
		b = b[size+rest:]
	}
	return http.StatusServiceUnavailable, nil // UNKNOWN
}

// withHTTP2 is a TLS configuration for probes by gRPC.
func withHTTP2(c *tls.Config) *tls.Config {
	c.NextProtos = []string{http2.NextProtoTLS}
	return c
}
