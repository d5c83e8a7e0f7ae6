package entity

import (
	"strings"
	"testing"
)

// TestFamilies: the rules of the families of protocols, of which the gateway proxies http and grpc.
func TestFamilies(t *testing.T) {
	for _, c := range []struct {
		record Record
		want   string
	}{
		{
			record: Record{"protocols": []any{"grpc"}, "strip_path": true},
			want:   "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'",
		},
		{record: Record{"protocols": []any{"grpcs"}, "methods": []any{"GET"}}, want: "cannot set 'methods' when"},
		{record: Record{"protocols": []any{"tcp"}, "paths": []any{"/"}}, want: "cannot set 'paths' when"},
		{record: Record{"protocols": []any{"grpc"}, "strip_path": false}, want: ""},
		{record: Record{"protocols": []any{"tls"}, "snis": []any{"a"}}, want: ""},
	} {
		errs := familyFields(c.record)
		if text := SchemaError(errs).Message; len(errs) > 0 != (c.want != "") || !strings.Contains(text, c.want) {
			t.Errorf("%v: %v, want %q", c.record, errs, c.want)
		}
	}
}
