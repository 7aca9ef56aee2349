package config

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
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
	key := l.dynamoDBKey(c, raw.Key)
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
		return &spec
	}
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
