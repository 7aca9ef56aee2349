package config

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"

	"gslb/health"
	"gslb/zones/problem"
)

// dynamoDBCheck reads what is particular to a check of type dynamodb.
func (l *loader) dynamoDBCheck(c *check, raw *rawDynamoDB) {
	template := health.DynamoDB{
		RequireItem: raw.RequireItem,
		Throttling: l.verdict(c.at.Key("throttling"), raw.Throttling,
			map[string]health.Verdict{"pass": health.Pass, "fail": health.Fail}),
		MissingTable: l.verdict(c.at.Key("missing_table"), raw.MissingTable,
			map[string]health.Verdict{"indeterminate": health.Indeterminate, "fail": health.Fail}),
	}
	var endpoint *text
	if raw.Endpoint != nil {
		endpoint = l.text(c, c.at.Key("endpoint"), *raw.Endpoint, inAuthority, readEndpoint)
	}
	account := l.regionNames(c, raw, &template)
	key := l.dynamoDBKey(c, raw.Key)
	writes := l.accesses(c, raw, &template, key)
	if raw.Table == nil || raw.Region == nil {
		return
	}
	table := l.text(c, c.at.Key("table"), *raw.Table, never, whole(validTable))
	region := l.text(c, c.at.Key("region"), *raw.Region, never, whole(validRegion))

	c.spec = func(f *filling) health.Spec {
		spec := template
		spec.Table = f.fill(table)
		spec.Region = f.fill(region)
		spec.Endpoint = f.fill(endpoint)
		spec.Key = make(map[string]health.KeyAttribute, len(key))
		for name, a := range key {
			spec.Key[name] = health.KeyAttribute{Value: f.fill(a.value), Number: a.number}
		}
		spec.AccountID = f.fill(account)
		if writes {
			spec.Write = health.ItemKey(spec.Key, "write", spec.Region, l.serverName())
		}
		return &spec
	}
}

// The two kinds of global tables: with eventual, and with strong consistency between regions.
const (
	consistencyMREC = "mrec"
	consistencyMRSC = "mrsc"
)

// The kinds of reads.
const (
	readEventual   = "eventual"
	readConsistent = "consistent"
)

// accesses reads how the table is read, and whether it is written. A replica of an MRSC table that has lost its
// quorum still answers eventually consistent reads, and nothing else.
//
//	consistency  read                        write
//	mrec         eventual or as it says      no or as it says
//	mrsc         consistent, nothing else    yes or as it says
func (l *loader) accesses(c *check, raw *rawDynamoDB, spec *health.DynamoDB, key map[string]keyAttribute) (writes bool) {
	strong := raw.Consistency == consistencyMRSC
	if !strong && raw.Consistency != consistencyMREC {
		l.Add(c.at.Key("consistency"), "found %q; %s", raw.Consistency, meant(raw.Consistency, []string{consistencyMREC, consistencyMRSC}))
	}
	spec.Consistent = strong
	if raw.Read != nil {
		spec.Consistent = *raw.Read == readConsistent
		switch {
		case *raw.Read != readConsistent && *raw.Read != readEventual:
			l.Add(c.at.Key("read"), "found %q; %s", *raw.Read, meant(*raw.Read, []string{readConsistent, readEventual}))
		case strong && !spec.Consistent:
			l.Add(c.at.Key("read"), "found %q; expected %q with consistency = %q, since a replica without a quorum still answers the other reads",
				*raw.Read, readConsistent, consistencyMRSC)
		}
	}
	if raw.Write == nil {
		writes = strong
	} else {
		writes = *raw.Write
	}
	isString := slices.ContainsFunc(slices.Collect(maps.Values(key)), func(a keyAttribute) bool { return !a.number })
	switch {
	case !writes || len(key) == 0:
	case l.serverName() == "":
		l.Add(c.at.Key("write"), "the item that is written has the name of this server, and neither it nor the host has one; set id in [server], or write = false")
	case isString:
	case raw.Write == nil:
		l.Add(c.at.Key("key"), "found numbers only; expected a string among them, from which the key of the item is made that is written, or write = false")
	default:
		l.Add(c.at.Key("write"), "found true, and a key of numbers only; expected a string in the key, from which that of the item is made that is written")
	}
	return writes
}

// serverName is the name that this server writes under: its id or, without one, that of the host; empty: the host
// has none.
func (l *loader) serverName() string {
	if l.set.Server.ID != "" {
		return l.set.Server.ID
	}
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// The names that a region is reached by.
const (
	endpointRegional = "regional"
	endpointAccount  = "account"
	endpointBoth     = "both"
)

var endpointModes = map[string]health.RegionNames{endpointRegional: health.RegionalName, endpointAccount: health.AccountName, endpointBoth: health.BothNames}

// regionNames reads by which of AWS's names a region is reached. It returns the account; nil: that of the
// credentials.
func (l *loader) regionNames(c *check, raw *rawDynamoDB, spec *health.DynamoDB) (account *text) {
	names, known := endpointModes[raw.EndpointMode]
	spec.Names, spec.DualStack, spec.FIPS = names, raw.DualStack, raw.FIPS
	if raw.AccountID != nil {
		account = l.text(c, c.at.Key("account_id"), *raw.AccountID, never, whole(validAccount))
	}
	at := c.at.Key("endpoint_mode")
	switch {
	case !known:
		l.Add(at, "found %q; %s", raw.EndpointMode, meant(raw.EndpointMode, sortedKeys(endpointModes)))
	case raw.Endpoint != nil && raw.EndpointMode != endpointRegional:
		l.Add(at, "found %q, and an endpoint; expected one of the two, since this chooses among AWS's own names", raw.EndpointMode)
	case raw.FIPS && raw.EndpointMode != endpointRegional:
		l.Add(at, "found %q, and fips = true; expected %q with it, since accounts have no FIPS endpoints", raw.EndpointMode, endpointRegional)
	case raw.AccountID != nil && raw.EndpointMode == endpointRegional:
		l.Add(c.at.Key("account_id"), "is part of the account's endpoint, which endpoint_mode = %q does not use; set that, or remove this", endpointRegional)
	}
	l.namesBeside(c.at, raw.Endpoint != nil, raw.DualStack, raw.FIPS)
	return account
}

// namesBeside reports what chooses among AWS's names where another endpoint is given.
func (l *loader) namesBeside(at *problem.Place, endpoint, dualStack, fips bool) {
	for name, set := range map[string]bool{"dual_stack": dualStack, "fips": fips} {
		if set && endpoint {
			l.Add(at.Key(name), "found true, and an endpoint; expected one of the two, since this chooses among AWS's own names")
		}
	}
}

// accountID is the number of an AWS account.
var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func validAccount(s string) error {
	if !accountID.MatchString(s) {
		return fmt.Errorf("found %q; expected the 12 digits of an AWS account", s)
	}
	return nil
}

// keyAttribute is a health.KeyAttribute that is not filled in.
type keyAttribute struct {
	value  *text
	number bool
}

// dynamoDBKey reads the key of the item that is asked for: a partition key and, where the
// table has one, a sort key.
func (l *loader) dynamoDBKey(c *check, raw map[string]any) map[string]keyAttribute {
	at := c.at.Key("key")
	if raw != nil && (len(raw) < 1 || len(raw) > 2) {
		l.Add(at, "found %d attributes; expected the partition key and, if the table has one, the sort key", len(raw))
	}
	key := make(map[string]keyAttribute, len(raw))
	for _, name := range sortedKeys(raw) {
		at := at.Key(name)
		switch v := raw[name].(type) {
		case string:
			key[name] = keyAttribute{value: l.text(c, at, v, never, whole(validKey))}
		case int64:
			key[name] = keyAttribute{l.text(c, at, strconv.FormatInt(v, 10), never, nil), true}
		case float64:
			if math.IsInf(v, 0) || math.IsNaN(v) {
				l.Add(at, "found %v; expected a finite number", v)
			}
			key[name] = keyAttribute{l.text(c, at, strconv.FormatFloat(v, 'f', -1, 64), never, nil), true}
		default:
			l.Add(at, "found %s; expected a string or a number", describe(v))
		}
	}
	return key
}

// verdict reads a verdict that the operator may choose among those allowed.
func (l *loader) verdict(at *problem.Place, text string, allowed map[string]health.Verdict) health.Verdict {
	v, ok := allowed[text]
	if !ok {
		l.Add(at, "found %q; %s", text, meantKey(text, allowed))
	}
	return v
}

// tableName is a table's name, or its Amazon Resource Name.
var tableName = regexp.MustCompile(`^([A-Za-z0-9_.-]{3,255}|arn:[A-Za-z0-9_.:/-]+)$`)

func validTable(s string) error {
	if !tableName.MatchString(s) {
		return fmt.Errorf(`found %q; expected a table's name (3 to 255 letters, digits, "_", "-" and ".") or its ARN`, s)
	}
	return nil
}

func validRegion(s string) error {
	if !word.MatchString(s) {
		return fmt.Errorf(`found %q; expected a region such as "us-east-1"`, s)
	}
	return nil
}

func validKey(s string) error {
	if s == "" {
		return fmt.Errorf(`found ""; expected a value, a key is never empty`)
	}
	return nil
}

// readEndpoint reads the base URL of an endpoint.
func readEndpoint(s string) (string, error) {
	final, err := readURL(s)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(s); err != nil || u.RawQuery != "" || u.ForceQuery || u.User != nil {
		return "", fmt.Errorf("found %q; expected a base URL, without user or query", s)
	}
	return final, nil
}
