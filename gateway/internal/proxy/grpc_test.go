package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// grpcOrigin is a real server of gRPC.
type grpcOrigin struct {
	pb.UnimplementedTestServiceServer
	name     string
	address  string
	server   *grpc.Server
	canceled chan error // of streams
}

func (o *grpcOrigin) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for name, values := range in {
		if strings.HasPrefix(name, "x-echo") {
			out[name] = values
		}
	}
	_ = grpc.SetHeader(ctx, out)
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-served-by", o.name, "x-trail-bin", "\x00\xff"))
	if deadline, ok := ctx.Deadline(); ok {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-has-deadline", fmt.Sprint(time.Until(deadline) > 0)))
	}
	return &pb.Empty{}, nil
}

func (o *grpcOrigin) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if s := in.GetResponseStatus(); s != nil {
		with, err := status.New(codes.Code(s.Code), s.Message).WithDetails(&pb.EchoStatus{Code: 7, Message: "detail"}) //nolint:gosec // small
		if err != nil {
			return nil, err
		}
		return nil, with.Err()
	}
	if in.GetFillUsername() { // to wait for the end of the call
		<-ctx.Done()
		o.canceled <- ctx.Err()
		return nil, ctx.Err()
	}
	return &pb.SimpleResponse{Username: o.name, Payload: &pb.Payload{Body: in.GetPayload().GetBody()}}, nil
}

func (o *grpcOrigin) StreamingOutputCall(
	in *pb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[pb.StreamingOutputCallResponse],
) error {
	for _, p := range in.ResponseParameters {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.Size)}}); err != nil {
			return err
		}
	}
	if len(in.ResponseParameters) == 1 { // to last until it is canceled
		<-out.Context().Done()
		o.canceled <- out.Context().Err()
	}
	return nil
}

func (o *grpcOrigin) StreamingInputCall(in grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	sum := 0
	for {
		m, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)}) //nolint:gosec // small
		}
		if err != nil {
			return err
		}
		sum += len(m.GetPayload().GetBody())
	}
}

func (o *grpcOrigin) FullDuplexCall(s grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.ResponseStatus != nil {
			return status.Error(codes.Code(m.ResponseStatus.Code), m.ResponseStatus.Message) //nolint:gosec // small
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: m.Payload}); err != nil {
			return err
		}
	}
}

func startGRPCOrigin(t *testing.T, name string, options ...grpc.ServerOption) *grpcOrigin {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &grpcOrigin{name: name, address: ln.Addr().String(), canceled: make(chan error, 4)}
	o.server = grpc.NewServer(append(options, grpc.MaxRecvMsgSize(16<<20))...)
	pb.RegisterTestServiceServer(o.server, o)
	served := make(chan error, 1)
	go func() { served <- o.server.Serve(ln) }()
	t.Cleanup(func() { o.server.Stop(); <-served })
	return o
}

// grpcConfig is a service of gRPC over targets, with one route.
func grpcConfig(protocol string, origins ...*grpcOrigin) *entity.Config {
	c := config("http://origins:80", entity.Route{Paths: []string{"/"}})
	c.Routes[0].Protocols = []string{"grpc", "grpcs"}
	c.Services[0].Protocol = protocol
	c.Upstreams = []entity.Upstream{{ID: "u1", Name: "origins", Algorithm: "round-robin"}}
	for i, o := range origins {
		c.Targets = append(c.Targets, entity.Target{ID: fmt.Sprint("t", i), Target: o.address, Weight: 100, Upstream: entity.Ref{ID: "u1"}})
	}
	return c
}

// dialGRPC is a client of a gateway, over TLS or not.
func dialGRPC(t *testing.T, address string, secure bool) pb.TestServiceClient {
	t.Helper()
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own
	}
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return pb.NewTestServiceClient(cc)
}

// startGRPC is a gateway before origins, with a client.
func startGRPC(t *testing.T, secure bool, c *entity.Config) (*gateway, pb.TestServiceClient) {
	t.Helper()
	g := startServer(t, Config{AccessLog: LogAll}, limits(nil), 4)
	g.apply(t, c)
	return g, dialGRPC(t, g.listen(t, Protocols{TLS: secure, HTTP2: true}), secure)
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestGRPCUnary(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		_, client := startGRPC(t, secure, grpcConfig("grpc", startGRPCOrigin(t, "a")))
		ctx := metadata.AppendToOutgoingContext(within(t), "x-echo", "1", "x-echo", "2", "x-echo-bin", "\x00\x01\xff")
		var header, trailer metadata.MD
		if _, err := client.EmptyCall(ctx, &pb.Empty{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(header["x-echo"]) != "[1 2]" || fmt.Sprintf("%q", header["x-echo-bin"]) != `["\x00\x01\xff"]` ||
			fmt.Sprintf("%q", trailer["x-trail-bin"]) != `["\x00\xff"]` || fmt.Sprint(trailer["x-has-deadline"]) != "[true]" {
			t.Errorf("header %q, trailer %q", header, trailer)
		}
		if len(header["via"]) == 0 || len(header["x-kong-upstream-latency"]) == 0 {
			t.Errorf("not by the gateway: %v", header)
		}
		large := bytes.Repeat([]byte("0123456789"), 300<<10)
		res, err := client.UnaryCall(within(t), &pb.SimpleRequest{Payload: &pb.Payload{Body: large}})
		if err != nil || !bytes.Equal(res.GetPayload().GetBody(), large) {
			t.Errorf("a message of %d bytes came back with %d, %v", len(large), len(res.GetPayload().GetBody()), err)
		}
		_, err = client.UnaryCall(within(t), &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: 10, Message: "bäd\nmessage %"}})
		s := status.Convert(err)
		if s.Code() != codes.Aborted || s.Message() != "bäd\nmessage %" || len(s.Details()) != 1 {
			t.Errorf("error %v with %v", s, s.Details())
		}
		if _, err = client.UnimplementedCall(within(t), &pb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("a method that there is not: %v", err)
		}
	})
}

func TestGRPCStreams(t *testing.T) {
	onBoth(t, func(t *testing.T, secure bool) {
		_, client := startGRPC(t, secure, grpcConfig("grpc", startGRPCOrigin(t, "a")))
		out, err := client.StreamingOutputCall(within(t), &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{
			{Size: 1}, {Size: 100_000}, {Size: 0}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{1, 100_000, 0} {
			if m, err := out.Recv(); err != nil || len(m.Payload.Body) != want {
				t.Fatalf("got %v, %v, want %d bytes", len(m.GetPayload().GetBody()), err, want)
			}
		}
		if _, err := out.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
		in, err := client.StreamingInputCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := in.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, 1000)}}); err != nil {
				t.Fatal(err)
			}
		}
		if res, err := in.CloseAndRecv(); err != nil || res.AggregatedPayloadSize != 100_000 {
			t.Errorf("the sum is %v, %v", res, err)
		}
		both, err := client.FullDuplexCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 { // each answer is there before the next message is sent
			body := bytes.Repeat([]byte{byte(i)}, i*1000)
			if err := both.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: body}}); err != nil {
				t.Fatal(err)
			}
			if m, err := both.Recv(); err != nil || !bytes.Equal(m.Payload.GetBody(), body) {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if err := both.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: 9, Message: "enough"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := both.Recv(); status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != "enough" {
			t.Errorf("the stream ends with %v", err)
		}
	})
}

func TestGRPCOverTLSToTheUpstream(t *testing.T) {
	secure := httptest.NewUnstartedServer(nil) // for its certificate
	secure.StartTLS()
	defer secure.Close()
	creds := credentials.NewServerTLSFromCert(&secure.TLS.Certificates[0])
	_, client := startGRPC(t, true, grpcConfig("grpcs", startGRPCOrigin(t, "a", grpc.Creds(creds))))
	res, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
	if err != nil || res.Username != "a" {
		t.Errorf("answered by %v, %v", res, err)
	}
}

func TestGRPCDeadlineAndCancelReachTheUpstream(t *testing.T) {
	o := startGRPCOrigin(t, "a")
	_, client := startGRPC(t, true, grpcConfig("grpc", o))
	ended := func(what string) {
		t.Helper()
		select {
		case err := <-o.canceled:
			if err == nil {
				t.Errorf("%s: the upstream's call ended without an error", what)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the upstream's call goes on", what)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{FillUsername: true}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	ended("deadline")
	ctx, cancel = context.WithCancel(context.Background())
	out, err := client.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{{Size: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	ended("cancel")
}

func TestGRPCTimeoutIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{"1H": time.Hour, "20m": 20 * time.Millisecond, "5u": 5 * time.Microsecond} {
		if d, ok := parseGRPCTimeout([]byte(text)); !ok || d != want {
			t.Errorf("%s is %v, %t", text, d, ok)
		}
	}
	if d, ok := parseGRPCTimeout([]byte("99999999H")); !ok || d < 1<<61 {
		t.Errorf("the longest is %v, %t", d, ok)
	}
	for _, text := range []string{"", "1", "H", "123456789S", "-1S", "1s", "1.5S"} {
		if d, ok := parseGRPCTimeout([]byte(text)); ok {
			t.Errorf("%q is %v", text, d)
		}
	}
}

// h2cServer is an upstream that speaks HTTP/2 without TLS and knows nothing of gRPC.
func h2cServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// The gateway itself ends a call whose deadline has passed, whatever client and
// upstream do.
func TestGRPCTimeoutBoundsTheCall(t *testing.T) {
	ended := make(chan struct{})
	origin := h2cServer(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(ended)
	})
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Routes[0].Protocols, c.Services[0].Protocol = []string{"grpc"}, "grpc"
	g := startServer(t, Config{}, limits(nil), 4)
	g.apply(t, c)
	url := "http://" + g.listen(t, Protocols{HTTP2: true})
	req, _ := http.NewRequest(http.MethodPost, url+"/a.B/C", strings.NewReader("\x00\x00\x00\x00\x00"))
	req.Header.Set("Content-Type", "application/grpc+proto")
	req.Header.Set("Grpc-Timeout", "100m")
	res, err := http2Client(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 504 || res.Header.Get("Grpc-Status") != "4" || res.Header.Get("Grpc-Message") == "" ||
		res.Header.Get("Content-Type") != "application/grpc" || res.ContentLength != 0 {
		t.Errorf("answered %d %v", res.StatusCode, res.Header)
	}
	<-ended
}

func TestGRPCRoutesRefuseOtherRequests(t *testing.T) {
	c := grpcConfig("grpc", startGRPCOrigin(t, "a"))
	c.Routes[0].Protocols = []string{"grpcs"}
	g := startServer(t, Config{}, limits(nil), 4)
	g.apply(t, c)
	plain := "http://" + g.listen(t, Protocols{HTTP2: true})
	for _, c := range []struct {
		client    *http.Client
		url, kind string
		status    int
		header    map[string]string
	}{
		{http2Client(t, false), plain, "application/json", 415, nil},
		{http2Client(t, false), plain, "", 415, nil},
		{http.DefaultClient, g.url, "application/grpc", 426, map[string]string{"Upgrade": "HTTP/2"}},
		{http2Client(t, false), plain, "application/grpc", 200, map[string]string{
			"Grpc-Status": "1", "Grpc-Message": "gRPC request matched gRPCs route", "Content-Type": "application/grpc"}},
	} {
		req, _ := http.NewRequest(http.MethodPost, c.url+"/a.B/C", strings.NewReader(""))
		req.Header.Set("Content-Type", c.kind)
		res, err := c.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", c.kind, res.StatusCode, c.status)
		}
		for name, want := range c.header {
			if res.Header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", c.kind, name, res.Header.Get(name), want)
			}
		}
	}
}

func TestGRPCIsRetriedOnAnotherTarget(t *testing.T) {
	a, b := startGRPCOrigin(t, "a"), startGRPCOrigin(t, "b")
	_, client := startGRPC(t, true, grpcConfig("grpc", a, b))
	seen := map[string]int{}
	call := func() {
		t.Helper()
		res, err := client.UnaryCall(within(t), &pb.SimpleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		seen[res.Username]++
	}
	for range 10 {
		call()
	}
	if seen["a"] != 5 || seen["b"] != 5 {
		t.Errorf("served by %v", seen)
	}
	a.server.Stop()
	for range 20 {
		call()
	}
	if seen["b"] != 25 {
		t.Errorf("served by %v", seen)
	}
}

func TestGRPCErrorsOfTheGateway(t *testing.T) {
	o := startGRPCOrigin(t, "a")
	c := grpcConfig("grpc", o)
	c.Plugins = []entity.Plugin{{ID: "p1", Name: "key-auth", Enabled: true, Config: map[string]any{
		"key_names": []any{"apikey"}, "key_in_header": true,
	}}}
	g, client := startGRPC(t, true, c)
	var header metadata.MD
	_, err := client.EmptyCall(within(t), &pb.Empty{}, grpc.Header(&header))
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key: %v", err)
	}
	if _, err = client.EmptyCall(metadata.AppendToOutgoingContext(within(t), "apikey", "secret-key"), &pb.Empty{}); err != nil {
		t.Errorf("with a key: %v", err)
	}
	o.server.Stop()
	if _, err = client.EmptyCall(metadata.AppendToOutgoingContext(within(t), "apikey", "secret-key"), &pb.Empty{}); err == nil {
		t.Error("an upstream that is gone has answered")
	}
	g.waitForLog(t, `"http":"2"`)
}

// TestAGRPCClientThatSendsNothingBreaksNoTarget: the server waits for the client, and it is not the server that is slow.
func TestAGRPCClientThatSendsNothingBreaksNoTarget(t *testing.T) {
	c := grpcConfig("grpc", startGRPCOrigin(t, "a"))
	c.Services[0].ReadTimeout = 200
	c.Upstreams[0].Healthchecks.Passive.Unhealthy.Timeouts = 1
	_, client := startGRPC(t, false, c)
	for range 2 {
		call, err := client.StreamingInputCall(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := call.Send(&pb.StreamingInputCallRequest{}); err != nil {
			t.Fatal(err)
		}
		if err := call.RecvMsg(&pb.StreamingInputCallResponse{}); status.Code(err) != codes.DeadlineExceeded {
			t.Fatalf("a call without an end: %v", err)
		}
		if _, err := client.EmptyCall(within(t), &pb.Empty{}); err != nil {
			t.Fatalf("the next client: %v", err)
		}
	}
	// A server that does not answer a whole request is slow.
	if _, err := client.UnaryCall(within(t), &pb.SimpleRequest{FillUsername: true}); status.Code(err) != codes.DeadlineExceeded {
		t.Fatal(err)
	}
	await(t, "the target is known to be slow", func() bool {
		_, err := client.EmptyCall(within(t), &pb.Empty{})
		return status.Code(err) == codes.Unavailable
	})
}
