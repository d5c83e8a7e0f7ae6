package route

import (
	"maps"
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Same reports whether two routes are equal. Most of those of two configurations
// share their lists, which makes it cheap.
func Same(a, b *entity.Route) bool {
	return a == b || a.ID == b.ID && a.Name == b.Name && a.UpdatedAt == b.UpdatedAt && a.CreatedAt == b.CreatedAt &&
		a.RegexPriority == b.RegexPriority && a.HTTPSRedirectStatusCode == b.HTTPSRedirectStatusCode &&
		a.StripPath == b.StripPath && a.PathHandling == b.PathHandling && a.PreserveHost == b.PreserveHost &&
		a.RequestBuffering == b.RequestBuffering && a.ResponseBuffering == b.ResponseBuffering &&
		sameRef(a.Service, b.Service) && sameList(a.Paths, b.Paths) && sameList(a.Protocols, b.Protocols) &&
		sameList(a.Methods, b.Methods) && sameList(a.Hosts, b.Hosts) && sameList(a.SNIs, b.SNIs) && sameList(a.Tags, b.Tags) &&
		(len(a.Headers) == 0 && len(b.Headers) == 0 || maps.EqualFunc(a.Headers, b.Headers, slices.Equal[[]string]))
}

func sameRef(a, b *entity.Ref) bool { return a == b || a != nil && b != nil && a.ID == b.ID }

func sameList(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}
