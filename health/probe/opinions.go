package probe

import (
	"slices"
	"strings"
	"sync"
	"time"

	"gslb/health"
)

// opinions is what the regions of each table have last said of this host's requests. A region that refuses
// them while others do not is at fault itself: an MRSC replica that may not replicate answers
// AccessDeniedException to writes and strongly consistent reads (Amazon DynamoDB Developer Guide, "DynamoDB
// global tables security"). If all refuse, the credentials, the clock or the account of this host are. It is
// safe for concurrent use.
type opinions struct {
	mu  sync.Mutex
	all map[asked]map[string]opinion // by region
}

// asked is what makes requests to several regions comparable.
type asked struct {
	table             string
	consistent, write bool
	names             health.RegionNames
}

// opinion is what a region has said.
type opinion struct {
	began   time.Time // when the request was made
	refused bool
}

// forgotten is the age at which an opinion says nothing more: longer than any interval.
const forgotten = 2 * time.Hour

// hear takes note of an opinion, and returns how many other regions that were asked after a time accept the
// same requests, and how many refuse them.
func (o *opinions) hear(of asked, region string, said opinion, after time.Time) (accept, refuse int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all[of] == nil {
		o.all[of] = map[string]opinion{}
	}
	o.all[of][region] = said
	for other, last := range o.all[of] {
		switch {
		case said.began.Sub(last.began) > forgotten:
			delete(o.all[of], other)
		case other == region || !last.began.After(after):
		case last.refused:
			refuse++
		default:
			accept++
		}
	}
	return accept, refuse
}

// refusals are the reasons of results that speak of who asks, or how, as much as of who is asked.
var refusals = []string{"access_denied", "credentials", "clock", "validation", "rejected"}

// ask judges a refusal by what the other regions say.
//
//	the region      other regions, of those asked since its last refusal  becomes
//	accepts         whatever                                              the same
//	refuses first   whatever: they may be about to refuse too             the same, indeterminate
//	refuses again   fewer accept than refuse, with this one               the same, indeterminate
//	refuses again   as many accept as refuse, with this one, or more      a fail: it is the region's fault
//
// So what another region says counts against this one once, and a permission that is changed, which takes its
// time from region to region, moves nothing until it has been refused in one region, and granted in another,
// for several intervals.
func (p *dynamoProbe) ask(a answered, began time.Time) health.Result {
	of := asked{p.spec.Table[strings.LastIndex(p.spec.Table, "/")+1:], p.spec.Consistent, p.spec.Write != nil, p.spec.Names}
	before := p.refused
	p.refused = time.Time{}
	switch result := a.result; {
	case result.Verdict == health.Pass || result.Reason == "no_item":
		p.opinions.hear(of, p.spec.Region, opinion{began, false}, began)
		return result
	case a.status == 0 || !slices.Contains(refusals, result.Reason):
		return result
	}
	p.refused = began
	accept, refuse := p.opinions.hear(of, p.spec.Region, opinion{began, true}, before)
	if before.IsZero() || accept < refuse+1 {
		return a.result
	}
	return fail(a.result.Reason, "%s refuses what other regions accept: %s", p.spec.Region, a.result.Detail)
}
