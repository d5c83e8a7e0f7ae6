package plugin

import (
	"encoding/json"
	"errors"

	"github.com/valyala/fasthttp"
)

var (
	jsonType      = []byte("application/json; charset=utf-8")
	badBodyBody   = []byte(`{"message":"Bad request"}`)
	lateBodyBody  = []byte(`{"message":"Request body timeout"}`)
	largeBodyBody = []byte(`{"message":"Request size limit exceeded"}`)
)

// Answer writes a JSON response. body is not copied, and so must not change.
func Answer(r *fasthttp.Response, status int, body []byte) {
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(jsonType)
	r.SetBodyRaw(body)
}

// Message is the body of an answer as Kong words it: {"message":"..."}.
func Message(text string) []byte {
	body, err := json.Marshal(map[string]string{"message": text})
	if err != nil { // of no text
		return nil
	}
	return body
}

// AnswerBodyError answers a client whose body did not come as it should: 413,
// 408 or 400, for an error of Exchange.RequestBody. The connection is closed.
func AnswerBodyError(r *fasthttp.Response, err error) {
	var (
		timeout interface{ Timeout() bool }
		status  interface{ StatusCode() int }
	)
	switch {
	case errors.As(err, &status) && status.StatusCode() == fasthttp.StatusRequestEntityTooLarge:
		Answer(r, fasthttp.StatusRequestEntityTooLarge, largeBodyBody)
	case errors.As(err, &timeout) && timeout.Timeout():
		Answer(r, fasthttp.StatusRequestTimeout, lateBodyBody)
	default:
		Answer(r, fasthttp.StatusBadRequest, badBodyBody)
	}
	r.SetConnectionClose()
}
