package api

import "gslb/journal"

// Page is which part of a list an answer has.
type Page struct {
	Total  int `json:"total"`  // that match
	Offset int `json:"offset"` // of the first
	Limit  int `json:"limit"`
}

// NameList is the answer of GET /api/v1/names.
type NameList struct {
	Names []Name `json:"names"` // by zone and name
	Page
}

// PoolList is the answer of GET /api/v1/pools.
type PoolList struct {
	Pools []Pool `json:"pools"` // by name
	Page
}

// TargetList is the answer of GET /api/v1/targets.
type TargetList struct {
	Targets []Target `json:"targets"` // by id
	Page
}

// EventList is the answer of GET /api/v1/events, in the order in which they happened: the last ones, or
// with after= the first of those after that ID.
type EventList struct {
	Events []journal.Event `json:"events"`
	Last   uint64          `json:"last"` // the ID to ask for those after; 0: there was no event yet
	// Missed says that events after the ID that was given are forgotten already.
	Missed bool `json:"missed"`
}
