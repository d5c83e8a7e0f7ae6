package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func readChunks(src io.Reader) (string, *bufio.Reader, error) {
	br := bufio.NewReaderSize(src, bufferSize)
	b, err := io.ReadAll(struct{ io.Reader }{&chunkReader{br: br, most: 1000}})
	return string(b), br, err
}

func TestChunksAreReadByTheGrammar(t *testing.T) {
	for say, c := range map[string]struct{ wire, body string }{
		"one":                     {"5\r\nhello\r\n0\r\n\r\n", "hello"},
		"two":                     {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		"none":                    {"0\r\n\r\n", ""},
		"many zeros":              {"0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello"},
		"letters of either case":  {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
		"an extension":            {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"},
		"a quoted extension":      {"5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n", "hello"},
		"blanks around extension": {"5 ; a = b\t;c\r\nhello\r\n0\r\n\r\n", "hello"},
		"trailers":                {"5\r\nhello\r\n0\r\nX-Sum: 1\r\nx-amz-checksum-crc32:AAAA==\r\nX-Empty:\r\n\r\n", "hello"},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once":         func(r io.Reader) io.Reader { return r },
			"byte by byte":    iotest.OneByteReader,
			"error with data": iotest.DataErrReader,
		} {
			body, br, err := readChunks(wrap(strings.NewReader(c.wire + "next")))
			if err != nil || body != c.body {
				t.Errorf("%s, %s: read %q: %v", say, how, body, err)
			}
			if rest, _ := io.ReadAll(br); string(rest) != "next" {
				t.Errorf("%s, %s: %q is left on the connection", say, how, rest)
			}
		}
		for i := range len(c.wire) {
			if body, _, err := readChunks(strings.NewReader(c.wire[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, cut off after %d bytes: read %q: %v", say, i, body, err)
			}
		}
	}
}

// brokenChunks are bodies that no reader may take for whole ones.
var brokenChunks = map[string]string{
	"no line end after the data":       "5\r\nhello0\r\n\r\n",
	"more data than the size":          "5\r\nhello!\r\n0\r\n\r\n",
	"LF after the data":                "5\r\nhello\n0\r\n\r\n",
	"CR after the data":                "5\r\nhello\r0\r\n\r\n",
	"LF after the size":                "5\nhello\r\n0\r\n\r\n",
	"CR after the size":                "5\rhello\r\n0\r\n\r\n",
	"LF after the last size":           "5\r\nhello\r\n0\n\r\n",
	"LF for the empty line":            "5\r\nhello\r\n0\r\n\n",
	"two bytes for the empty line":     "5\r\nhello\r\n0\r\nX\n",
	"one byte and CRLF":                "5\r\nhello\r\n0\r\nX\r\n\r\n",
	"an answer for a trailer":          "5\r\nhello\r\n0\r\n" + poison,
	"no size":                          "\r\nhello\r\n0\r\n\r\n",
	"a size that is no number":         "5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n",
	"0x5":                              "0x5\r\nhello\r\n0\r\n\r\n",
	"+5":                               "+5\r\nhello\r\n0\r\n\r\n",
	"-5":                               "-5\r\nhello\r\n0\r\n\r\n",
	"_5":                               "5_0\r\nhello\r\n0\r\n\r\n",
	"a blank before the size":          " 5\r\nhello\r\n0\r\n\r\n",
	"a blank after the size":           "5 \r\nhello\r\n0\r\n\r\n",
	"17 digits":                        "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
	"2^64":                             "10000000000000000\r\nhello\r\n0\r\n\r\n",
	"2^63":                             "8000000000000000\r\nhello\r\n0\r\n\r\n",
	"an extension without a name":      "5;\r\nhello\r\n0\r\n\r\n",
	"an extension without a value":     "5;a=\r\nhello\r\n0\r\n\r\n",
	"a quoted string without end":      "5;a=\"b\r\nhello\r\n0\r\n\r\n",
	"CRLF in a quoted string":          "5;a=\"\r\n0\r\n\r\n\"\r\nhello\r\n0\r\n\r\n",
	"LF in a quoted string":            "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
	"CR in a quoted string":            "5;a=\"\r\"\r\nhello\r\n0\r\n\r\n",
	"an escaped LF in a quoted string": "5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n",
	"NUL in an extension":              "5;a\x00\r\nhello\r\n0\r\n\r\n",
	"a comma after the size":           "5,a\r\nhello\r\n0\r\n\r\n",
	"a long extension":                 "5;a=" + strings.Repeat("a", 5000) + "\r\nhello\r\n0\r\n\r\n",
	"more extension than data":         strings.Repeat("1;a="+strings.Repeat("a", 1000)+"\r\nx\r\n", 30) + "0\r\n\r\n",
	"a trailer without a colon":        "0\r\nX-Sum\r\n\r\n",
	"a trailer without a name":         "0\r\n: 1\r\n\r\n",
	"a trailer with a blank":           "0\r\nX-Sum : 1\r\n\r\n",
	"a trailer that goes on":           "0\r\nX-Sum: 1\r\n 2\r\n\r\n",
	"a trailer with NUL":               "0\r\nX-Sum: \x00\r\n\r\n",
	"a trailer with CR":                "0\r\nX-Sum: 1\rX-B: 2\r\n\r\n",
	"a trailer that ends with LF":      "0\r\nX-Sum: 1\n\r\n",
	"trailers that are too long":       "0\r\n" + strings.Repeat("X-Sum: "+strings.Repeat("1", 990)+"\r\n", 100) + "\r\n",
}

func TestBrokenChunksAreNoWholeBody(t *testing.T) {
	for say, wire := range brokenChunks {
		t.Run(say, func(t *testing.T) {
			t.Parallel()
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"at once":         func(r io.Reader) io.Reader { return r },
				"byte by byte":    iotest.OneByteReader,
				"error with data": iotest.DataErrReader,
			} {
				if body, _, err := readChunks(wrap(strings.NewReader(wire))); err == nil {
					t.Errorf("%s: read %q for a whole body", how, body)
				}
			}
			url, connections := listen(t, func(c net.Conn) {
				answerAll(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+wire)
			})
			p := newPools(t, Config{HeaderBytes: 32 << 10})
			b := serviceAt(t, p, url)
			for i := range int64(3) {
				c := newCall(b)
				c.Read = 500 * time.Millisecond // some could go on
				var told error
				c.OnEnd = func(_ int64, err error) { told = err }
				if err := p.Do(c); err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(struct{ io.Reader }{c.Response.BodyStream()})
				if err == nil {
					t.Errorf("read %q for a whole body", body)
				}
				_ = c.Response.CloseBodyStream()
				if told == nil || !errors.Is(told, err) {
					t.Errorf("the end was told as %v, not %v", told, err)
				}
				if n := connections.Load(); n != i+1 || p.Idle() != 0 {
					t.Fatalf("%d connections after %d answers: one was used again", n, i+1)
				}
			}
		})
	}
}

// hasty returns data together with an error, and another error later.
type hasty struct{ errs []error }

func (h *hasty) Read(b []byte) (int, error) {
	if len(h.errs) == 0 {
		return copy(b, "more"), nil
	}
	err := h.errs[0]
	h.errs = h.errs[1:]
	return copy(b, "data"), err
}

func TestAStreamsErrorNeverComesWithData(t *testing.T) {
	broken := errors.New("broken")
	s := &stream{conn: &conn{Conn: &net.TCPConn{}}, src: &hasty{[]error{nil, nil, nil}}, left: 6}
	var got string
	for {
		b := make([]byte, 10)
		n, err := s.Read(b)
		if n > 0 && err != nil {
			t.Fatalf("%q together with %v", b[:n], err)
		}
		got += string(b[:n])
		if err != nil {
			break
		}
	}
	if got != "datada" {
		t.Errorf("read %q of a body of 6 bytes", got)
	}
	s = &stream{conn: &conn{Conn: &net.TCPConn{}}, src: iotest.ErrReader(broken), left: -1}
	for range 3 {
		if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, broken) {
			t.Errorf("read %d %v, want the same error again", n, err)
		}
	}
}

func TestAShortBodyIsNotWhole(t *testing.T) {
	for say, above := range map[string]int{"buffered": 1000, "streamed": 1} {
		url, _ := listen(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
			}
		})
		p := newPools(t, Config{StreamAbove: above})
		c := newCall(serviceAt(t, p, url))
		err := p.Do(c)
		if err == nil && c.Streamed {
			_, err = io.ReadAll(struct{ io.Reader }{c.Response.BodyStream()})
			_ = c.Response.CloseBodyStream()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", say, err)
		}
	}
}
