// Package admin is the side of the server that people and monitoring look at, over HTTP:
//
//	/            the status page
//	/act         a form of the page: what to do, what that changes, and then it is done (act.go)
//	/runbook     what to do about what it shows: docs/runbook.md
//	/api/status  the same as JSON: a [Status]
//	/api/v1/     version 1 of the API, described by /api/v1/openapi.json (v1.go, package api)
//	/metrics     Prometheus metrics, those of every other package included
//	/healthz     200 while the process serves; it knows nothing of regions
//	/readyz      200 once answers are published and nothing is missing; else 503, and what is
//
// Everything it shows comes from the functions of [Options], except for the events, which
// [Server.Record] takes. What persons ask to be changed it hands to the [Operator] (commands.go), and
// answers its errors as problems (RFC 9457). Events are also sent as they happen (stream.go). Page and API are made from the same rows, so that they
// cannot contradict each other. A name may have thousands of routes; those that are answered alike are
// folded into one outcome (outcomes.go), of which the page draws a picture (lines.go, assets/names.html). The page and
// /api/status take these parameters, and refuse others:
//
//	name=app.gslb.example.com  only this steered name, with the pools, targets and events it
//	                           depends on; 404 if there is no such name
//	q=text                     only the rows that contain the text, in any case of letters
//	limit=1000                 at most so many rows a list, 1000 unless told otherwise, up to
//	                           100000; the page shows 50, and at most 500
//
// The page, which shows those with trouble first, takes these as well:
//
//	pool=nyc                   only this pool, with the names that have it and all of its targets
//	page=2, pools=2, targets=2 another page of the names, of the pools, of the targets of one pool
//	part=names,pools           only these parts of the page: what a script puts in the place of the
//	                           elements whose data-part has these names
//	done=ID                    says what was done by a form (act.go)
//
// The page begins with what is wrong (matters.go): the incidents, and what no incident tells. Rows that
// need nobody are folded; targets are inside of the pools that depend on them (poolrows.go), and events of
// one cause are one entry (entries.go).
//
// It is reached over TCP and over a unix socket (listen.go). Who makes a request is found out first
// (identity.go), and then whether they may (guard.go): those who are not known may read at most, and no
// request by a foreign name or from another web site is taken.
//
// What clients can use is bounded: the number of connections is limited, and the oldest idle one
// makes room for a new one (conns.go); requests at about the same time share what is costly to make, and lists are
// sent as they are made (render.go).
package admin
