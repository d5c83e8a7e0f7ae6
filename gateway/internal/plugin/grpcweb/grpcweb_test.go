package grpcweb

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"grpc-web.proto":               "refused",
	"grpc-web.pass_stripped_path":  `.: json:"pass_stripped_path" + .PassStrippedPath`,
	"grpc-web.allow_origin_header": `.: json:"allow_origin_header" + .AllowOriginHeader`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"grpc-web": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"grpc-web"}`)
	want := map[string]any{"proto": nil, "pass_stripped_path": nil, "allow_origin_header": "*"}
	if err != nil || !reflect.DeepEqual(r["config"], want) || Definition().Priority != 3 {
		t.Errorf("config %v, %v", r["config"], err)
	}
	_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"grpc-web","config":{"proto":"/a.proto"}}`)
	entitytest.Refused(t, err, "config.proto: value must be null: JSON is not transcoded")
}

// server is a real server of gRPC.
type server struct {
	pb.UnimplementedTestServiceServer
}

func (server) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-more", "1"))
	if s := in.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.Code), s.Message) //nolint:gosec // small
	}
	return &pb.SimpleResponse{Username: string(in.GetPayload().GetBody())}, nil
}

func (server) StreamingOutputCall(in *pb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for range in.ResponseParameters {
		if err := out.Send(&pb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
	return status.Error(codes.Aborted, "enough")
}

func start(t *testing.T, config map[string]any, change func(*entity.Config)) *plugintest.Gateway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterTestServiceServer(s, server{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return plugintest.StartWith(t, 1<<20, http.NotFoundHandler(), []plugin.Definition{Definition()}, func(c *entity.Config) {
		to := &c.Services[0]
		to.Protocol, to.Host = "grpc", "127.0.0.1"
		to.Path, to.Port = "", ln.Addr().(*net.TCPAddr).Port
		if change != nil {
			change(c)
		}
	}, entity.Record{"name": "grpc-web", "config": config})
}

func frame(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append([]byte{0, 0, 0, byte(len(b) >> 8), byte(len(b))}, b...)
}

// frames are the messages of a body, and the trailers behind them.
func frames(body []byte) (messages [][]byte, trailers string, err error) {
	for len(body) >= prefix {
		n := int(body[3])<<8 | int(body[4])
		if len(body) < prefix+n {
			break
		}
		if body[0] == trailersFlag {
			if len(body) != prefix+n {
				return nil, "", errors.New("there is something behind the trailers")
			}
			return messages, string(body[prefix : prefix+n]), nil
		}
		messages, body = append(messages, body[prefix:prefix+n]), body[prefix+n:]
	}
	return nil, "", fmt.Errorf("the rest is %q", body)
}

const unary = "/grpc.testing.TestService/UnaryCall"

func post(t *testing.T, url, kind string, body []byte) (*http.Response, [][]byte, string) {
	t.Helper()
	text := strings.Contains(kind, "text")
	if text {
		half := len(body) / 2 // in two pieces, each with its padding
		body = []byte(base64.StdEncoding.EncodeToString(body[:half]) + base64.StdEncoding.EncodeToString(body[half:]))
	}
	res, err := http.Post(url, kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text {
		var ok bool
		if got, ok = decodePieces(got); !ok {
			t.Fatal("the answer is not base64")
		}
	}
	messages, trailers, err := frames(got)
	if err != nil {
		t.Fatalf("%d %s: %v", res.StatusCode, got, err)
	}
	return res, messages, trailers
}

func TestCalls(t *testing.T) {
	g := start(t, nil, nil)
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			res, messages, trailers := post(t, g.URL+unary, kind, frame(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}}))
			var out pb.SimpleResponse
			if len(messages) != 1 || proto.Unmarshal(messages[0], &out) != nil || out.Username != "hello" {
				t.Errorf("answered %q", messages)
			}
			if !strings.Contains(trailers, "grpc-status:0\r\n") || !strings.Contains(trailers, "x-more:1\r\n") || len(res.Trailer) > 0 {
				t.Errorf("trailers %q and %v", trailers, res.Trailer)
			}
			if res.Header.Get("Content-Type") != kind || res.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("header %v", res.Header)
			}
			_, messages, trailers = post(t, g.URL+unary, kind, frame(&pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: 9, Message: "no"}}))
			if len(messages) > 0 || !strings.Contains(trailers, "grpc-status:9\r\n") || !strings.Contains(trailers, "grpc-message:no\r\n") {
				t.Errorf("an error: %q %q", messages, trailers)
			}
			_, messages, trailers = post(t, g.URL+"/grpc.testing.TestService/StreamingOutputCall", kind, frame(&pb.StreamingOutputCallRequest{
				ResponseParameters: []*pb.ResponseParameters{{}, {}, {}}}))
			if len(messages) != 3 || !strings.Contains(trailers, "grpc-status:10\r\ngrpc-message:enough\r\n") &&
				!strings.Contains(trailers, "grpc-message:enough\r\ngrpc-status:10\r\n") {
				t.Errorf("a stream: %q %q", messages, trailers)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	g := start(t, map[string]any{"allow_origin_header": "http://a.test"}, nil)
	for _, c := range []struct {
		method, kind, body, want string
		status                   int
	}{
		{http.MethodOptions, "", "", "OK", 200},
		{http.MethodPost, "application/json", "{}", transcoding, 400},
		{http.MethodPost, "", "{}", transcoding, 400},
		{http.MethodPost, "application/grpc-web-text", "***", "not base64", 400},
		{http.MethodPost, "application/grpc-web-text", strings.Repeat("AAAA", 300<<10), "limit exceeded", 413},
	} {
		req, _ := http.NewRequest(c.method, g.URL+unary, strings.NewReader(c.body))
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		origin := res.Header.Get("Access-Control-Allow-Origin")
		if res.StatusCode != c.status || !strings.Contains(string(body), c.want) || origin != "http://a.test" {
			t.Errorf("%s %s: %d %s %v", c.method, c.kind, res.StatusCode, body, res.Header)
		}
	}
}

// TestTextInLines: base64 has lines where MIME has made it, and pieces with padding of their own.
func TestTextInLines(t *testing.T) {
	g := start(t, nil, nil)
	request := frame(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello hello hello")}})
	encode := base64.StdEncoding.EncodeToString
	for _, text := range []string{
		encode(request) + "\r\n", encode(request[:7]) + "\n" + encode(request[7:]), encode(request)[:5] + "\r\n" + encode(request)[5:],
	} {
		res, err := http.Post(g.URL+unary, "application/grpc-web-text", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		content, ok := decodePieces(got)
		if err != nil || !ok || !bytes.Contains(content, []byte("hello hello hello")) {
			t.Errorf("%q: %d %.100q, %v", text, res.StatusCode, got, err)
		}
	}
}

func TestPath(t *testing.T) {
	request := frame(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("a")}})
	for strip, path := range map[bool]string{true: "/web", false: ""} {
		g := start(t, map[string]any{"pass_stripped_path": strip}, func(c *entity.Config) {
			c.Routes[0].StripPath = true
			c.Routes[0].Paths = []string{"/web", "/grpc.testing.TestService"}
		})
		if _, messages, trailers := post(t, g.URL+path+unary, "application/grpc-web", request); len(messages) != 1 {
			t.Errorf("pass_stripped_path %t: %q", strip, trailers)
		}
	}
}
