// Package api has what API version 1 says and takes, as Go types. The server fills them in and the
// command line reads them. Fields are added in later versions, never renamed or taken away. Every list
// is present, if need be as []; a time that is not known is left out. Times are RFC 3339, durations
// seconds, DNS names fully qualified; a name is taken in any case of letters, with or without its final
// dot. What is not a success is a [Problem].
//
//	GET    /api/v1/status                   Status
//	GET    /api/v1/names                    NameList: pool=, state=, q=, limit=, offset=
//	GET    /api/v1/names/{name}             Name
//	POST   /api/v1/names/{name}/failback    FailbackResult
//	GET    /api/v1/names/{name}/switch      Switch
//	POST   /api/v1/names/{name}/switch      SwitchRequest, Switch
//	DELETE /api/v1/names/{name}/switch      Switch
//	GET    /api/v1/pools                    PoolList
//	GET    /api/v1/pools/{name}             Pool
//	GET    /api/v1/targets                  TargetList
//	GET    /api/v1/notify                   NotifyList
//	POST   /api/v1/notify/test              NotifyTestRequest, NotifyTestResult
//	GET    /api/v1/events                   EventList: after=, limit=
//	GET    /api/v1/events/stream            events as they happen, as server-sent events
//	GET    /api/v1/overrides                OverrideList
//	POST   /api/v1/overrides                OverrideRequest, OverrideResult
//	DELETE /api/v1/overrides?all=true       RemoveRequest, OverrideResult
//	DELETE /api/v1/overrides/{id}           RemoveRequest, OverrideResult
//	GET    /api/v1/explain                  Explanation: name=, client=, type=, suppose=POOL=down
//	POST   /api/v1/plan                     PlanRequest, Plan
//	POST   /api/v1/apply                    ApplyRequest, ApplyResult
//	GET    /api/v1/config                   Config
//	GET    /api/v1/openapi.json             the description of all this (OpenAPI 3.1)
package api
