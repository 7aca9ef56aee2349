package admin

import "gslb/incident"

// legendLine is a word of the page, and what it means.
type legendLine struct {
	Word    string
	Kind    incident.Kind // whose section of the runbook says more; empty: none does
	Meaning string
}

// Legend is what the words of the page mean.
func (page) Legend() []legendLine {
	return []legendLine{
		{"▲ up", "", "its checks pass, or have not failed often enough to count"},
		{"▼ down", incident.PoolDown, "its checks have failed as often as fall says: it is not answered while another pool is left"},
		{"? unknown", "", "there has been no verdict yet: it is answered only if nothing is up"},
		{"not preferred", incident.Failover, "another pool than the first is answered, since the first is down, drained or degraded"},
		{"reduced", incident.Failover, "a pool that shares the clients is left out; the others have them"},
		{"turning", "", "the last probes disagree with the status, and are too few to change it"},
		{"stale", incident.Stale, "no verdict has come for three intervals: the status is a guess"},
		{"? indeterminate", incident.Unjudged, "the probe could not judge: credentials, a resolver, this host; it changes nothing"},
		{"held", incident.Held, "a rule keeps a status or an answer as it was"},
		{"ramped", "", "a pool that has recovered gets its clients back step by step"},
		{"degraded", incident.Degraded, "the data behind the pool is behind: no clients are moved to it"},
		{"◆ drained, forced, pinned", incident.OverrideBy, "a person said so; see Overrides"},
		{"assume_up, last_good, all, fallback, nodata, servfail", incident.AllDown, "no pool is left, and when_all_down says what is answered"},
		{"panic", incident.AllDown, "so little of a tier is up that all of it is answered"},
		{"blind, suspect", incident.Blind, "too much failed at once to be believed: this server may be what is cut off"},
		{"TTL", "", "how long resolvers may keep an answer: after a change, so long until all clients have moved"},
	}
}
