package keyauth

import (
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// maxKeyBody is how much of a body is kept to look for a key in it. As in Kong,
// where the bound is nginx's buffer, a longer body has no key.
const maxKeyBody = 64 << 10

// search looks for a request's key where the configuration says, and takes
// it out again.
type search struct {
	*config
	x   *plugin.Exchange
	err error // of the body: the request cannot go on

	read     bool // the body was examined
	kind     bodyKind
	body     []byte
	boundary string
	members  []member
}

// find is Kong's search: name by name in the header, then the query, then the
// body. The first place that has the name decides, also with an empty value;
// a name that is there twice decides too, since it is unknown which one the
// upstream would take.
func (s *search) find() (key occurrence) {
	ctx := s.x.Ctx
	for _, name := range s.KeyNames {
		key = occurrence{}
		if s.KeyInHeader {
			for _, v := range ctx.Request.Header.PeekAll(name) {
				key.add(v)
			}
		}
		if key.is == absent && s.KeyInQuery {
			key = findPair(plugin.Query(&ctx.Request.Header), name)
		}
		if key.is == absent && s.KeyInBody {
			key = s.inBody(name)
		}
		if key.is >= once || s.err != nil {
			return key
		}
	}
	return occurrence{}
}

func (s *search) inBody(name string) occurrence {
	if s.load(); s.kind == formBody {
		return findPair(s.body, name)
	}
	return findMember(s.members, name)
}

// load reads the body, once, where it is of a kind that may hold a key.
func (s *search) load() {
	if s.read {
		return
	}
	s.read = true
	kind, boundary := kindOf(s.x.Ctx.Request.Header.ContentType())
	if kind == otherBody {
		return
	}
	var whole bool
	s.body, whole, s.err = s.x.RequestBody(maxKeyBody)
	if !whole || s.err != nil || len(s.body) == 0 {
		s.body = nil
		return
	}
	s.kind, s.boundary = kind, boundary
	switch kind {
	case jsonBody:
		s.members = jsonMembers(s.body)
	case multipartBody:
		s.members = parts(s.body, boundary)
	}
}

// hide takes the key off what the upstream will see: off every place where the
// plugin may look for it. What is left stays as the client sent it.
func (s *search) hide() {
	ctx := s.x.Ctx
	for _, name := range s.KeyNames {
		if s.KeyInHeader {
			plugin.DeleteField(&ctx.Request.Header, name)
		}
	}
	if s.KeyInQuery {
		plugin.HideInQuery(&ctx.Request, s.KeyNames...)
	}
	if s.KeyInBody {
		s.hideInBody()
	}
}

func (s *search) hideInBody() {
	if s.load(); s.kind == otherBody {
		return
	}
	rest := s.body
	switch s.kind {
	case formBody:
		rest, _ = plugin.DropPairs(s.body, s.KeyNames...)
	case jsonBody:
		if s.hasMember() {
			rest = dropMembers(s.body, s.members, s.KeyNames)
		}
	case multipartBody:
		if s.hasMember() {
			rest = dropParts(s.body, s.members, s.KeyNames)
		}
	}
	if len(rest) == len(s.body) {
		return
	}
	r := &s.x.Ctx.Request
	r.SetBodyRaw(rest)
	r.Header.SetContentLength(len(rest))
}

func (s *search) hasMember() bool {
	for _, name := range s.KeyNames {
		if findMember(s.members, name).is != absent {
			return true
		}
	}
	return false
}
