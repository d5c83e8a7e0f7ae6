package labtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/harness/internal/load/engine"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// serveFunc serves on a listener and returns what ends that.
type serveFunc func(net.Listener) (stop func())

// servers are what a node serves, by port.
func servers(n *node) map[int]serveFunc {
	r := n.runtime
	switch n.role {
	case topology.RolePostgres:
		return map[int]serveFunc{topology.PortPostgres: conversation(func(c net.Conn) { speakPostgres(c, r.gateway.forget) })}
	case topology.RoleRedis:
		return map[int]serveFunc{topology.PortRedis: conversation(speakRedis)}
	case topology.RoleOrigin:
		return map[int]serveFunc{topology.PortOrigin: handler(originHandler()), topology.PortNull: null}
	case topology.RoleWorker:
		return map[int]serveFunc{topology.PortWorker: worker}
	case topology.RoleGateway:
		return map[int]serveFunc{
			topology.PortProxy:  handler(proxyHandler(func() string { return n.name })),
			topology.PortAdmin:  handler(r.gateway.admin()),
			topology.PortStatus: handler(r.gateway.status()),
		}
	case topology.RoleBalancer:
		return map[int]serveFunc{
			topology.PortBalancer:     handler(proxyHandler(inTurn(r.gateways))),
			topology.PortBalancerStat: handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
		}
	case topology.RoleCollector:
		return map[int]serveFunc{topology.PortCollector: handler(collectorHandler())}
	case topology.RoleLink:
		return map[int]serveFunc{topology.PortLinkAdmin: handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
	}
	return nil
}

// collectorHandler is a real collector.
func collectorHandler() http.Handler {
	h, err := collector.Handler(collector.Config{Listen: "127.0.0.1:0", Traces: collector.DefaultTraces})
	if err != nil {
		panic(err) // there are no names that could be wrong
	}
	return h
}

// handler serves HTTP.
func handler(h http.Handler) serveFunc {
	return func(l net.Listener) func() {
		s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		var done sync.WaitGroup
		done.Go(func() { _ = s.Serve(l) })
		return func() { _ = s.Close(); done.Wait() }
	}
}

func worker(l net.Listener) func() {
	w := engine.NewWorker(nil)
	stop := handler(w.Handler())(l)
	return func() { w.Close(); stop() }
}

func null(l net.Listener) func() {
	s := engine.NewNullServer()
	var done sync.WaitGroup
	done.Go(func() { _ = s.Serve(l) })
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		done.Wait()
	}
}

// conversation serves TCP, one call of speak per connection.
func conversation(speak func(net.Conn)) serveFunc {
	return func(l net.Listener) func() {
		var done sync.WaitGroup
		var mu sync.Mutex
		var conns []net.Conn
		ended := false
		done.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				conns = append(conns, c)
				if ended {
					c.Close()
				}
				mu.Unlock()
				done.Go(func() { defer c.Close(); speak(c) })
			}
		})
		return func() {
			l.Close()
			mu.Lock()
			ended = true
			for _, c := range conns {
				c.Close()
			}
			mu.Unlock()
			done.Wait()
		}
	}
}

// speakRedis knows no keys: PING, FLUSHALL and INFO are all that a lab asks.
func speakRedis(c net.Conn) {
	in := bufio.NewReader(c)
	line := func() string {
		text, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		return strings.TrimSpace(text)
	}
	for {
		n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
		if err != nil {
			return
		}
		var words []string
		for range n {
			line() // the word's length
			words = append(words, line())
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "PING":
			answer = "+PONG\r\n"
		case "HELLO":
			answer = "-ERR unknown command\r\n"
		case "INFO":
			answer = "$12\r\n# Keyspace\r\n\r\n"
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// speakPostgres answers every query with one row of one number. forget is called when a database is dropped.
func speakPostgres(c net.Conn, forget func()) {
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	row := &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("n"), DataTypeOID: 23, DataTypeSize: 4,
		TypeModifier: -1}}}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		msg, err := b.Receive()
		if err != nil {
			return
		}
		switch m := msg.(type) {
		case *pgproto3.Parse:
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.ParameterDescription{})
			b.Send(row)
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			b.Send(&pgproto3.DataRow{Values: [][]byte{{0, 0, 0, 1}}})
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Query:
			if len(m.String) > 4 && m.String[:4] == "DROP" {
				forget()
			}
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("OK")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Terminate:
			return
		}
	}
}

// originHandler is an origin that never serves anything: the gateways of this package answer by themselves.
func originHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /reset", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"requests": 0}`) })
	return mux
}
