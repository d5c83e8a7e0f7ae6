package origin

import "strconv"

// modelBody is a model as JSON, BodyBytes long where that leaves room for
// what it must hold. It depends on the id and the seed alone.
func (o *Origin) modelBody(id int) []byte {
	b := make([]byte, 0, max(o.config.BodyBytes, 256))
	b = append(b, `{"id":"model-`...)
	b = strconv.AppendInt(b, int64(id), 10)
	b = append(b, `","object":"model","created":1700000000,"owned_by":"gatelab","description":"`...)
	const end = `"}`
	b = o.pad(b, id, o.config.BodyBytes-len(end))
	return append(b, end...)
}

// pad appends letters until b is n long: 12 for each random number, so that
// bodies neither repeat nor compress to nothing.
func (o *Origin) pad(b []byte, id, n int) []byte {
	x := mix(o.config.Seed) + uint64(id)<<32
	for len(b) < n {
		x++
		word := mix(x)
		for i := 0; i < 12 && len(b) < n; i++ {
			b = append(b, "abcdefghijklmnopqrstuvwxyz 01234"[word&31])
			word >>= 5
		}
	}
	return b
}

// listBody is the page of at most limit models after the given id.
func (o *Origin) listBody(after, limit int) []byte {
	b := append(make([]byte, 0, 64+limit*80), `{"object":"list","data":[`...)
	after = min(after, o.config.Models)
	last := min(after+limit, o.config.Models)
	for id := after + 1; id <= last; id++ {
		if id > after+1 {
			b = append(b, ',')
		}
		b = append(b, `{"id":"model-`...)
		b = strconv.AppendInt(b, int64(id), 10)
		b = append(b, `","object":"model","created":1700000000,"owned_by":"gatelab"}`...)
	}
	b = append(b, `],"total":`...)
	b = strconv.AppendInt(b, int64(o.config.Models), 10)
	b = append(b, `,"has_more":`...)
	b = strconv.AppendBool(b, last < o.config.Models)
	return append(b, '}')
}
