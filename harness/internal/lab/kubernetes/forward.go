package kubernetes

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Ports on loopback are chosen below the usual ephemeral range, of which no outgoing connection of this machine may take one while it is
// not listened on.
const (
	firstPort = 20000
	lastPort  = 31999
)

// forwarder listens on loopback and passes connections on to a port of a node's pod, through the API. It stays when the pod is made again.
// client-go's own forwarder belongs to one pod: it ends with it.
type forwarder struct {
	node *node
	port int
	addr string
	l    net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool       // that are served
	link  httpstream.Connection   // to the pod's kubelet; nil: none yet
	old   []httpstream.Connection // that no new connection uses
	next  int                     // request id
}

// publish listens for the ports that the harness must reach.
func (n *node) publish(s lab.Spec) error {
	n.ports = map[int]*forwarder{}
	for _, port := range s.Ports {
		l, err := n.runtime.listen(s, port)
		if err != nil {
			return err
		}
		f := &forwarder{node: n, port: port, addr: l.Addr().String(), l: l, conns: map[net.Conn]bool{}}
		n.ports[port] = f
		f.done.Go(f.serve)
	}
	return nil
}

// listen listens where a node's port has been before, where the spec says, or on a free port. r.mu is held.
func (r *Runtime) listen(s lab.Spec, port int) (net.Listener, error) {
	key := s.Name + ":" + strconv.Itoa(port)
	fixed := r.ports[key]
	if want := s.HostPorts[port]; want != 0 {
		fixed = want
	}
	var l net.Listener
	var err error
	for range 100 {
		at := fixed
		if at == 0 {
			at = firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // a port to try
		}
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(at)))
		if err == nil {
			r.ports[key] = at
			return l, nil
		}
		if fixed != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("port %d of %s cannot be had on 127.0.0.1: %w", port, s.Name, err)
}

// unpublish ends what publish began.
func (n *node) unpublish() {
	for _, f := range n.ports {
		f.close()
	}
}

func (f *forwarder) close() {
	f.l.Close()
	f.mu.Lock()
	for c := range f.conns {
		c.Close()
	}
	f.unlink()
	f.mu.Unlock()
	f.done.Wait()
}

func (f *forwarder) serve() {
	for {
		c, err := f.l.Accept()
		if err != nil {
			return // closed
		}
		f.mu.Lock()
		f.conns[c] = true
		f.mu.Unlock()
		f.done.Go(func() {
			_ = f.pass(c) // a connection that fails is closed: what dialled it learns no more from a node that is not there
			c.Close()
			f.mu.Lock()
			delete(f.conns, c)
			f.mu.Unlock()
		})
	}
}

// pass copies both ways between a connection and a stream to the pod, until the pod's side ends.
func (f *forwarder) pass(c net.Conn) error {
	link, data, trouble, err := f.open()
	if err != nil {
		return err
	}
	var answered atomic.Bool
	var done sync.WaitGroup
	done.Go(func() {
		_, _ = io.Copy(data, c) // the client's end, or an error that the other direction sees as well
		_ = data.Close()
		if !answered.Load() {
			f.retire(link)
			time.AfterFunc(goneFor, func() {
				if !answered.Load() {
					_ = data.Reset()
				}
			})
		}
	})
	done.Go(func() {
		// What the kubelet says when it cannot reach the port: the data stream would stay open.
		if said, _ := io.ReadAll(trouble); len(said) > 0 {
			f.retire(link)
			_ = data.Reset()
			c.Close()
		}
	})
	_, err = io.Copy(c, &heard{from: data, any: &answered})
	c.Close()
	_ = data.Reset()
	_ = trouble.Reset()
	done.Wait()
	return err
}

// goneFor is how long a node may still answer a client that has sent its last byte, before a first one.
const goneFor = 30 * time.Second

// heard notes that a reader had a byte.
type heard struct {
	from io.Reader
	any  *atomic.Bool
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if n > 0 {
		h.any.Store(true)
	}
	return n, err
}

// open makes the two streams of a connection. A link that has ended, as with its pod, is made anew once.
func (f *forwarder) open() (link httpstream.Connection, data, trouble httpstream.Stream, err error) {
	for range 2 {
		link, id, err := f.connected()
		if err != nil {
			return nil, nil, nil, err
		}
		h := http.Header{}
		h.Set(core.StreamType, core.StreamTypeError)
		h.Set(core.PortHeader, strconv.Itoa(f.port))
		h.Set(core.PortForwardRequestIDHeader, strconv.Itoa(id))
		trouble, err = link.CreateStream(h)
		if err == nil {
			_ = trouble.Close() // nothing is written to it
			h.Set(core.StreamType, core.StreamTypeData)
			if data, err = link.CreateStream(h); err == nil {
				return link, data, trouble, nil
			}
		}
		f.drop(link)
	}
	return nil, nil, nil, fmt.Errorf("forward to %s:%d: the connection to the cluster ends at once", f.node.name, f.port)
}

// unlink ends the ways to a pod that is gone, with the connections on them: the kubelet would leave them open, and nothing would answer.
func (n *node) unlink() {
	for _, f := range n.ports {
		f.mu.Lock()
		f.unlink()
		f.mu.Unlock()
	}
}

// unlink closes all links. f.mu is held.
func (f *forwarder) unlink() {
	if f.link != nil {
		f.old = append(f.old, f.link)
	}
	for _, link := range f.old {
		_ = link.Close()
	}
	f.link, f.old = nil, nil
}

// retire has the next connection make a link of its own. A kubelet that is asked for a pod while it still ends an earlier one of the same
// name makes a link to that one, on which nothing answers.
func (f *forwarder) retire(link httpstream.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.link == link {
		f.link = nil
		f.old = append(f.old, link)
	}
}

// connected is the link to the pod that runs now, and the id of the next request on it.
func (f *forwarder) connected() (httpstream.Connection, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.link != nil {
		select {
		case <-f.link.CloseChan():
			f.link = nil
		default:
		}
	}
	if f.link == nil {
		link, err := f.node.dial()
		if err != nil {
			return nil, 0, err
		}
		f.link = link
	}
	f.next++
	return f.link, f.next, nil
}

// drop forgets a link that is of no use any more.
func (f *forwarder) drop(link httpstream.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.link == link {
		f.link = nil
	}
	_ = link.Close()
}

// dial asks the API for a way to the node's pod.
func (n *node) dial() (httpstream.Connection, error) {
	a := n.runtime.api
	transport, upgrader, err := spdy.RoundTripperFor(a.config)
	if err != nil {
		return nil, err
	}
	at := a.core.Post().Namespace(n.runtime.space).Resource("pods").Name(n.name).SubResource("portforward").URL()
	link, _, err := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, at).
		Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", n.name, err)
	}
	return link, nil
}
