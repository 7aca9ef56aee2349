package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gslb/health"
)

// dynamoProbe reads one item, or learns that it is not there, from one region, and writes another where that
// is asked for.
type dynamoProbe struct {
	spec      *health.DynamoDB
	databases []*database // one for each name of the region that is used
	opinions  *opinions
	refused   time.Time // when the call began that the region last refused; zero: it did not refuse the last one
}

func newDynamoDB(n *network, a *account, all *opinions, spec *health.DynamoDB) (health.Probe, error) {
	p := &dynamoProbe{spec: spec, opinions: all}
	if len(spec.Key) == 0 {
		return nil, errors.New("key: it names no attribute")
	}
	for _, of := range []struct{ account, used bool }{{false, spec.Names != health.AccountName}, {true, spec.Names != health.RegionalName}} {
		if !of.used {
			continue
		}
		d := &database{
			network: n, account: a, table: spec.Table, region: spec.Region, endpoint: spec.Endpoint,
			names:      names{of.account, accountOf(spec), spec.DualStack, spec.FIPS},
			throttling: spec.Throttling, missingTable: spec.MissingTable,
		}
		if err := d.verify(); err != nil {
			return nil, err
		}
		p.databases = append(p.databases, d)
	}
	return p.probe, nil
}

// accountOf is the account that a check says: in so many words, or by the table's name
// (arn:aws:dynamodb:REGION:ACCOUNT:table/NAME). The SDK's rules prefer the latter.
func accountOf(spec *health.DynamoDB) string {
	if fields := strings.Split(spec.Table, ":"); spec.AccountID == "" && len(fields) > 5 && fields[0] == "arn" {
		return fields[4]
	}
	return spec.AccountID
}

// probe makes all calls at the same time, so that each has the whole timeout.
func (p *dynamoProbe) probe(ctx context.Context) health.Result {
	began := time.Now()
	for _, d := range p.databases {
		if failed, ok := d.prepare(ctx); !ok {
			p.refused = time.Time{}
			return failed
		}
	}
	var calls []dynamoCall
	for _, d := range p.databases {
		calls = append(calls, dynamoCall{of: d, operation: p.read()})
		if p.spec.Write != nil {
			calls = append(calls, dynamoCall{of: d, operation: p.write()})
		}
	}
	if len(calls) == 1 {
		calls[0].make(ctx)
	} else {
		var under sync.WaitGroup
		for i := range calls {
			c := &calls[i]
			c.label = p.label(c)
			under.Go(func() { c.make(branch(ctx, c.label)) })
		}
		under.Wait()
	}
	for i := range calls {
		calls[i].of.reconsider(ctx, calls[i].answered)
	}
	return p.ask(p.joined(calls), began)
}

// dynamoCall is one of the calls of a probe.
type dynamoCall struct {
	of    *database
	label string // that tells it from the others; empty: there are none
	operation
	answered
}

func (c *dynamoCall) make(ctx context.Context) {
	c.answered = c.of.do(ctx, c.operation)
	c.result.Detail = traceOf(ctx).scrub(c.result.Detail)
}

// label says what a call does, as far as that tells it from the others.
func (p *dynamoProbe) label(c *dynamoCall) string {
	var words []string
	if p.spec.Write != nil {
		words = append(words, map[string]string{"GetItem": "reading", "PutItem": "writing"}[c.action])
	}
	if len(p.databases) > 1 {
		words = append(words, map[bool]string{false: "by the region's name", true: "by the account's name"}[c.of.names.account])
	}
	return strings.Join(words, " ")
}

// joined makes one result of those of all calls: the first that fails, or else that could not be judged, or
// else that passed with a remark.
func (p *dynamoProbe) joined(calls []dynamoCall) answered {
	worst := calls[0]
	heard := false
	for _, c := range calls[1:] {
		if rank(c.result) > rank(worst.result) {
			worst = c
		}
	}
	for _, c := range calls {
		heard = heard || c.status != 0
	}
	one := worst.answered
	switch {
	case worst.label != "" && rank(one.result) > 0:
		one.result.Detail = worst.label + ": " + one.result.Detail
	case p.spec.Write != nil:
		one.result.Detail += ", and takes writes"
	}
	if one.result.Verdict == health.Fail && one.status == 0 && heard {
		one.result.Notes = &health.Notes{Answered: true}
	}
	return one
}

// rank orders results by how much they say.
func rank(r health.Result) int {
	switch {
	case r.Verdict == health.Fail:
		return 3
	case r.Verdict == health.Indeterminate:
		return 2
	case r.Reason != "ok":
		return 1
	}
	return 0
}

// read is the cheapest read there is of its kind: only of the key attributes and, if nothing else is asked
// for, eventually consistent (half a read unit).
func (p *dynamoProbe) read() operation {
	input := &dynamodb.GetItemInput{
		TableName:      aws.String(p.spec.Table),
		Key:            attributesOf(p.spec.Key),
		ConsistentRead: aws.Bool(p.spec.Consistent),
	}
	input.ProjectionExpression, input.ExpressionAttributeNames = projection(namesOf(p.spec.Key)...)
	return operation{"GetItem", isItem, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		out, err := client.GetItem(ctx, input, options)
		if err != nil {
			return health.Result{}, err
		}
		for name, value := range out.Item {
			if value == nil { // the SDK's word for what it does not know
				return fail("protocol", "%v", notDynamoDB(fmt.Sprintf("attribute %q of the item is of no type", name))), nil
			}
		}
		switch {
		case len(out.Item) > 0:
			return pass("the item is there"), nil
		case p.spec.RequireItem:
			return fail("no_item", "table %s has no item with this key", p.spec.Table), nil
		}
		return pass("the table answers, without such an item"), nil
	}}
}

// write puts an item that has nothing but a time. It replaces none but its like, so that a key that is wrong in
// the configuration costs the app nothing.
func (p *dynamoProbe) write() operation {
	item := attributesOf(p.spec.Write)
	item[timeAttribute] = &types.AttributeValueMemberS{Value: time.Now().UTC().Format(time.RFC3339Nano)}
	input := &dynamodb.PutItemInput{
		TableName:                aws.String(p.spec.Table),
		Item:                     item,
		ConditionExpression:      aws.String("attribute_not_exists(#k) OR attribute_exists(#t)"),
		ExpressionAttributeNames: map[string]string{"#k": namesOf(p.spec.Write)[0], "#t": timeAttribute},
	}
	return operation{"PutItem", isEmpty, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		_, err := client.PutItem(ctx, input, options)
		if taken := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &taken) {
			return indeterminate("conflict", "table %s has an item of the app's where this check writes its own: change the check's key", p.spec.Table), nil
		}
		return pass("written"), err
	}}
}
