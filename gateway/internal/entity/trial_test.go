package entity

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTrialSchema(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		in         Record
	}{
		{"a percentage", "", Record{"name": "a", "percent": int64(10)}},
		{"a part of a percent", "", Record{"name": "a", "percent": 0.5, "hash_on": "ip"}},
		{"a header", "", Record{"name": "a", "header": "X-Trial", "header_value": "yes"}},
		{"a replica", "", Record{"name": "a", "replicas": []any{"gw-1"}, "max_p99": int64(250), "then": "promote"}},
		{"no name", "name: required field missing", Record{"percent": int64(10)}},
		{"no request", "which requests take part", Record{"name": "a"}},
		{"half a header", "want header and header_value together", Record{"name": "a", "header": "X-Trial"}},
		{"more than all", "percent: value should be between 0 and 100", Record{"name": "a", "percent": int64(101)}},
		{"another hash", "hash_on: expected one of: none, ip", Record{"name": "a", "percent": int64(1), "hash_on": "cookie"}},
		{"promoted by nothing", "promote wants max_errors or max_p99", Record{"name": "a", "percent": int64(1), "then": "promote"}},
		{"an unknown field", "percentage: unknown field", Record{"name": "a", "percentage": int64(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := TrialSchema().ProcessInsert(tt.in, time.Now(), "")
			var known *Error
			switch {
			case tt.want == "" && (err != nil || r["window"] != int64(30) || r["lasts"] != int64(3600) || r["min_requests"] != int64(20)):
				t.Errorf("%v %v", r, err)
			case tt.want != "" && (!errors.As(err, &known) || known.Status() != 400 || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
