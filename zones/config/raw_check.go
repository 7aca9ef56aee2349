package config

import "time"

// rawCheck is what checks of every type have.
type rawCheck struct {
	Type         *string   `toml:"type,required"`
	Interval     duration  `toml:"interval"`
	FastInterval *duration `toml:"fast_interval"`
	Timeout      *duration `toml:"timeout"`
	Rise         int64     `toml:"rise"`
	Fall         int64     `toml:"fall"`
	Flap         *string   `toml:"flap"`
	Slow         *duration `toml:"slow"`
	SlowFails    bool      `toml:"slow_fails"`
}

func (r *rawCheck) common() *rawCheck { return r }

func (r *rawCheck) defaults() {
	r.Interval = duration{Duration: 5 * time.Second}
	r.Rise = 2
	r.Fall = 3
}

// rawLink is how a check reaches a server: what all kinds have that open a connection to what they judge.
type rawLink struct {
	Target     *string `toml:"target"`
	Proxy      bool    `toml:"proxy_protocol"`
	TLS        any     `toml:"tls"` // true or false or a string
	MinTLS     *string `toml:"min_tls"`
	ServerName *string `toml:"server_name"`
	SkipVerify bool    `toml:"insecure_skip_verify"`
	RootsFile  *string `toml:"roots_file"`
	CertFile   *string `toml:"cert_file"`
	KeyFile    *string `toml:"key_file"`

	Expires     *duration `toml:"expires"`
	ExpiresFail *duration `toml:"expires_fail"`
}

// rawLoad is what checks have that can find a number beside their verdict.
type rawLoad struct {
	WeightFrom *string  `toml:"weight_from"`
	Shed       *rawShed `toml:"shed"`
}

type rawShed struct {
	From any `toml:"from"` // a number or, as a string, a percentage
	To   any `toml:"to"`
}

type rawHTTP struct {
	rawCheck
	rawLink
	rawLoad
	URL             *string           `toml:"url,required"`
	Method          string            `toml:"method"`
	Host            *string           `toml:"host"`
	HTTP2           bool              `toml:"http2"`
	Auth            *rawAuth          `toml:"auth"`
	Headers         map[string]string `toml:"headers"`
	Body            string            `toml:"body"`
	Expect          rawHTTPExpect     `toml:"expect"`
	MaxBody         *int64            `toml:"max_body"`         // bytes
	FollowRedirects any               `toml:"follow_redirects"` // true or false or a string
}

func (r *rawHTTP) defaults() {
	r.rawCheck.defaults()
	r.Method = "GET"
}

// rawAuth is how a request proves who asks.
type rawAuth struct {
	BasicFile  *string `toml:"basic_file"`
	BearerFile *string `toml:"bearer_file"`
}

type rawHTTPExpect struct {
	Status  []any             `toml:"status"` // a number or a string each
	Headers map[string]string `toml:"headers"`
	Body    *string           `toml:"body"`
	NotBody *string           `toml:"not_body"`
	JSON    *rawJSON          `toml:"json"`
}

type rawJSON struct {
	Path    *string `toml:"path,required"`
	Equals  any     `toml:"equals"` // a string, a number or a boolean
	Matches *string `toml:"matches"`
	Min     any     `toml:"min"` // numbers
	Max     any     `toml:"max"`
}

type rawTCP struct {
	rawCheck
	rawLink
	Address *string      `toml:"address,required or target"`
	Send    *string      `toml:"send"`
	Expect  rawTCPExpect `toml:"expect"`
	Steps   []rawTCPStep `toml:"steps"`
}

type rawTCPStep struct {
	Send   *string `toml:"send"`
	Expect *string `toml:"expect"`
}

// rawTLS is a check of type tls.
type rawTLS struct {
	rawCheck
	rawLink
	Address *string `toml:"address,required or target"`
}

type rawTCPExpect struct {
	Body *string `toml:"body"`
}

type rawDynamoDB struct {
	rawCheck
	Table        *string        `toml:"table,required"`
	Region       *string        `toml:"region,required"`
	Endpoint     *string        `toml:"endpoint"`
	Key          map[string]any `toml:"key,required"` // a string or a number each
	RequireItem  bool           `toml:"require_item"`
	Consistency  string         `toml:"consistency"`
	Read         *string        `toml:"read"`
	Write        *bool          `toml:"write"`
	EndpointMode string         `toml:"endpoint_mode"`
	AccountID    *string        `toml:"account_id"`
	DualStack    bool           `toml:"dual_stack"`
	FIPS         bool           `toml:"fips"`
	Throttling   string         `toml:"throttling"`
	MissingTable string         `toml:"missing_table"`
}

func (r *rawDynamoDB) defaults() {
	r.rawCheck.defaults()
	r.Consistency, r.EndpointMode = consistencyMREC, endpointRegional
	r.Throttling = "pass"
	r.MissingTable = "indeterminate"
}

type rawDNS struct {
	rawCheck
	rawLink
	Server    *string      `toml:"server,required or target"`
	Name      *string      `toml:"name,required"`
	QType     string       `toml:"qtype"`
	Transport string       `toml:"transport"`
	Recursion bool         `toml:"recursion"`
	Expect    rawDNSExpect `toml:"expect"`
}

func (r *rawDNS) defaults() {
	r.rawCheck.defaults()
	r.QType, r.Transport, r.Recursion = "A", overUDP, true
	r.Expect.Rcode = []string{"NOERROR"}
}

type rawDNSExpect struct {
	Rcode  []string `toml:"rcode"`
	Answer *string  `toml:"answer"`
}

type rawGRPC struct {
	rawCheck
	rawLink
	Address *string `toml:"address,required or target"`
	Service string  `toml:"service"`
}

type rawHAProxy struct {
	rawCheck
	rawLink
	rawLoad
	URL        *string  `toml:"url,required or address or target"`
	Auth       *rawAuth `toml:"auth"`
	Address    *string  `toml:"address"`
	Backend    *string  `toml:"backend,required"`
	MinServers int64    `toml:"min_servers"`
}

func (r *rawHAProxy) defaults() {
	r.rawCheck.defaults()
	r.MinServers = 1
}

type rawPrometheus struct {
	rawCheck
	rawLink
	rawLoad
	URL    *string  `toml:"url,required"`
	Auth   *rawAuth `toml:"auth"`
	Query  *string  `toml:"query,required"`
	Min    any      `toml:"min,required or max or weight_from"` // numbers
	Max    any      `toml:"max"`
	Absent string   `toml:"absent"`
}

func (r *rawPrometheus) defaults() {
	r.rawCheck.defaults()
	r.Absent = "indeterminate"
}

type rawExec struct {
	rawCheck
	Command []string          `toml:"command,required"`
	Env     map[string]string `toml:"env"`
}

type rawPush struct {
	rawType
	rawLoad
	Interval    duration `toml:"interval"`
	Subject     *string  `toml:"subject"`
	TokenFile   *string  `toml:"token_file,required or token_sha256"`
	TokenSHA256 *string  `toml:"token_sha256"`
}

func (r *rawPush) defaults() { r.Interval = duration{Duration: time.Minute} }

// rawType is what checks have that are made on no schedule of their own.
type rawType struct {
	Type *string `toml:"type,required"`
}

type rawCalculated struct {
	rawType
	Of []string `toml:"of,required"` // names of checks
}

type rawNot struct {
	rawType
	Of any `toml:"of"` // the name of a check, or a list of one
}

type rawAtLeast struct {
	rawCalculated
	Count *int64 `toml:"count,required"`
}
