package config

import (
	"time"

	"gslb/zones"
)

// The raw types mirror zones.toml: one field a key, named by its tag, `required` where the
// key must be there, and `required or KEY` where that or another one must. A pointer, map or
// slice is nil, and a string empty, where the key is absent or of a wrong type. So where a required one is nil, that has been reported already.
// A type whose keys have defaults that depend on nothing else sets them in a defaults
// method, which the decoder calls first.

type rawFile struct {
	Server rawServer           `toml:"server,required"`
	Admin  *rawAdmin           `toml:"admin"`
	Notify *rawNotify          `toml:"notify"`
	Safety rawSafety           `toml:"safety"`
	Checks map[string]rawTable `toml:"checks"`
	Pools  map[string]rawPool  `toml:"pools"`
	Zones  map[string]rawZone  `toml:"zones,required"`

	Replication map[string]rawReplication `toml:"replication"`
}

func (r *rawFile) defaults() {
	r.Server.defaults()
	r.Safety.defaults()
}

// rawTable is a table that is decoded later, when one of its own keys has said which keys
// it may have.
type rawTable map[string]any

type rawServer struct {
	Listen        []string     `toml:"listen,required"`
	ID            *string      `toml:"id"`
	Version       *string      `toml:"version"`
	Cookies       bool         `toml:"cookies"`
	CookieSecrets *string      `toml:"cookie_secrets"`
	RateLimit     rawRateLimit `toml:"rate_limit"`
	TCP           rawTCPLimits `toml:"tcp"`
	StateDir      string       `toml:"state_dir"`
	StateMaxAge   *duration    `toml:"state_max_age"`
	StartupWait   duration     `toml:"startup_wait"`
	GeoIP         []string     `toml:"geoip"`
	ClientSubnet  bool         `toml:"client_subnet"`
	Resolvers     []string     `toml:"resolvers"`
	AllowExec     bool         `toml:"allow_exec"`
	ExecParallel  *int64       `toml:"exec_parallel"`
	Dnstap        *rawDnstap   `toml:"dnstap"`
}

func (r *rawServer) defaults() {
	r.Cookies, r.ClientSubnet = true, true
	r.StartupWait = duration{Duration: 5 * time.Second}
	r.RateLimit.defaults()
	r.TCP.defaults()
}

type rawRateLimit struct {
	Rate       int64    `toml:"rate"` // a second
	Burst      *int64   `toml:"burst"`
	Slip       int64    `toml:"slip"`
	IPv4Prefix int64    `toml:"ipv4_prefix"`
	IPv6Prefix int64    `toml:"ipv6_prefix"`
	Exempt     []string `toml:"exempt"`
}

func (r *rawRateLimit) defaults() {
	r.Rate, r.Slip = 1000, 1
	r.IPv4Prefix, r.IPv6Prefix = 24, 56
	// These addresses cannot be forged from outside the host.
	r.Exempt = []string{"127.0.0.0/8", "::1/128"}
}

type rawTCPLimits struct {
	Connections int64    `toml:"connections"`
	PerClient   int64    `toml:"per_client"`
	Idle        duration `toml:"idle"`
	Lifetime    duration `toml:"lifetime"`
}

func (r *rawTCPLimits) defaults() {
	r.Connections, r.PerClient = 1024, 64
	r.Idle, r.Lifetime = duration{Duration: 10 * time.Second}, duration{Duration: 10 * time.Minute}
}

type rawAdmin struct {
	Listen     *string  `toml:"listen"`
	Socket     *string  `toml:"socket"`
	Hosts      []string `toml:"hosts"`
	TokensFile *string  `toml:"tokens_file"`
	ReadToken  bool     `toml:"read_token"`
	Cert       *string  `toml:"cert"`
	Key        *string  `toml:"key"`
	ClientCA   *string  `toml:"client_ca"`
}

type rawSafety struct {
	Vantage       []string  `toml:"vantage"` // names of checks
	SuspectShare  *string   `toml:"suspect_share"`
	SuspectWindow duration  `toml:"suspect_window"`
	SuspectHold   duration  `toml:"suspect_hold"`
	MaxDown       *int64    `toml:"max_down"`
	Within        *duration `toml:"within"`
}

func (r *rawSafety) defaults() {
	r.SuspectWindow, r.SuspectHold = duration{Duration: 10 * time.Second}, duration{Duration: time.Minute}
}

type rawNotify struct {
	Page    *string                    `toml:"page"`
	Runbook *string                    `toml:"runbook"`
	Targets map[string]rawNotifyTarget `toml:"targets,required"`
}

type rawNotifyTarget struct {
	Type          string    `toml:"type"`
	URL           *string   `toml:"url,required or url_file or url_env"`
	URLFile       *string   `toml:"url_file"`
	URLEnv        *string   `toml:"url_env"`
	SecretFile    *string   `toml:"secret_file"`
	SecretEnv     *string   `toml:"secret_env"`
	Kinds         []string  `toml:"kinds"`
	Severity      string    `toml:"severity"`
	Resolved      bool      `toml:"resolved"`
	GroupWait     *duration `toml:"group_wait"`
	RepeatAfter   *duration `toml:"repeat_after"`
	Rate          *int64    `toml:"rate"` // messages an hour
	Quiet         *string   `toml:"quiet"`
	QuietCritical bool      `toml:"quiet_critical"`
	Timezone      *string   `toml:"timezone"`
}

func (r *rawNotifyTarget) defaults() {
	r.Type, r.Severity, r.Resolved = string(zones.NotifyShoutrrr), "any", true
}

type rawReplication struct {
	Table      *string        `toml:"table,required"`
	Key        map[string]any `toml:"key,required"` // a string or a number each
	Regions    []string       `toml:"regions,required"`
	Endpoint   any            `toml:"endpoint"` // a string, or a table of strings
	DualStack  bool           `toml:"dual_stack"`
	FIPS       bool           `toml:"fips"`
	Interval   duration       `toml:"interval"`
	Timeout    *duration      `toml:"timeout"`
	MaxLag     *duration      `toml:"max_lag"`
	Writer     *string        `toml:"writer"`
	OnDegraded string         `toml:"on_degraded"`

	StopWrites   *rawHook `toml:"stop_writes"`
	AcceptWrites *rawHook `toml:"accept_writes"`
	ResumeWrites *rawHook `toml:"resume_writes"`
}

// rawHook has one of Exec and Webhook.
type rawHook struct {
	Exec    []string  `toml:"exec"`
	Webhook *string   `toml:"webhook"`
	Timeout *duration `toml:"timeout"`
}

func (r *rawReplication) defaults() {
	r.Interval = duration{Duration: 5 * time.Second}
	r.OnDegraded = onDegradedServe
}

type rawPool struct {
	Region      *string  `toml:"region"`
	Members     []string `toml:"members,required or members_file or cname or alias"`
	MembersFile *string  `toml:"members_file"`
	CNAME       *string  `toml:"cname"`
	Alias       *string  `toml:"alias"`
	Checks      []string `toml:"checks"`
	MinUp       any      `toml:"min_up"` // a count or, as a string, a percentage
	MinUpIPv4   any      `toml:"min_up_ipv4"`
	MinUpIPv6   any      `toml:"min_up_ipv6"`
	Weight      *int64   `toml:"weight"`
	Location    any      `toml:"location"` // two numbers

	Replication *string           `toml:"replication"`
	OnDegraded  *string           `toml:"on_degraded"`
	Vars        map[string]string `toml:"vars"`
}

type rawZone struct {
	Nameservers   map[string][]string `toml:"nameservers"`
	NameserverTTL *duration           `toml:"nameserver_ttl"`
	TTL           duration            `toml:"ttl"`
	NegativeTTL   *duration           `toml:"negative_ttl"`
	Hostmaster    *string             `toml:"hostmaster"`
	Serial        *int64              `toml:"serial"`
	Records       *string             `toml:"records"`
	File          *string             `toml:"file"`
	Names         rawTable            `toml:"names"` // each a rawName
}

func (r *rawZone) defaults() { r.TTL = duration{Duration: 20 * time.Second} }

type rawName struct {
	Policy        string           `toml:"policy"`
	Pools         any              `toml:"pools"` // names of pools, and lists of such names
	Views         any              `toml:"views"` // a table of such lists
	Weights       map[string]int64 `toml:"weights"`
	Fence         []string         `toml:"fence"`
	MaxAnswers    *int64           `toml:"max_answers"`
	Order         string           `toml:"order"`
	TTL           *duration        `toml:"ttl"`
	TTLMin        *duration        `toml:"ttl_min"`
	PanicBelow    string           `toml:"panic_below"`
	WhenAllDown   string           `toml:"when_all_down"`
	Fallback      *string          `toml:"fallback"`
	FailoverAfter duration         `toml:"failover_after"`
	Failback      string           `toml:"failback"`
	FailbackAfter *duration        `toml:"failback_after"`
	FailbackRamp  *duration        `toml:"failback_ramp"`
}

func (r *rawName) defaults() {
	r.Policy = string(zones.Failover)
	r.Order = orderRotate
	r.PanicBelow = "0%"
	r.WhenAllDown = string(zones.AssumeUp)
	r.Failback = string(zones.FailbackAuto)
}
