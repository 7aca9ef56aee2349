package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gslb/health"
)

// Heartbeats learns what is written and read. Times are of this host's clock. Its methods return at once and
// are safe for concurrent use.
type Heartbeats interface {
	// Next is the counter to write into a region's item. It is larger than all before, also those of
	// earlier runs.
	Next(group, region string) uint64
	// Wrote says that a counter was written and acknowledged or, with an error, that no acknowledgement
	// came: it may have been written nevertheless. The error is a [CallError].
	Wrote(group, region string, counter uint64, began, ended time.Time, err error)
	// Saw says which counter of the item of one region was read through the endpoint of another; 0: there
	// is no such item.
	Saw(group, from, to string, counter uint64, began, ended time.Time)
	// Unread says that nothing could be read through the endpoint of a region. The error is a [CallError].
	Unread(group, to string, began, ended time.Time, err error)
}

// CallError is how a call of DynamoDB failed.
type CallError struct {
	// Result judges it as that of a check would be: what is indeterminate is this host's, or that of its
	// credentials.
	Result health.Result
}

func (e *CallError) Error() string { return e.Result.Detail }

// IsFail reports whether the error speaks against the region, and not against this host or its credentials.
func (e *CallError) IsFail() bool { return e.Result.Verdict == health.Fail }

// The attributes of a heartbeat's item, beside its key.
const (
	counterAttribute = "gslb_counter"
	timeAttribute    = "gslb_time" // for people
)

// heartbeatProbe writes the heartbeat of a region and reads those of all others.
type heartbeatProbe struct {
	spec *health.Heartbeat
	told Heartbeats
	*database
}

func newHeartbeat(n *network, a *account, told Heartbeats, spec *health.Heartbeat) (health.Probe, error) {
	p := &heartbeatProbe{spec, told, &database{
		network: n, account: a, table: spec.Table, region: spec.Region, endpoint: spec.Endpoint,
		names:      names{dualStack: spec.DualStack, fips: spec.FIPS},
		throttling: health.Fail, missingTable: health.Indeterminate,
	}}
	switch {
	case told == nil:
		return nil, errors.New("nobody is told of heartbeats")
	case len(spec.Items) < 2:
		return nil, errors.New("items: there is no other region")
	case len(spec.Items[spec.Region]) == 0:
		return nil, fmt.Errorf("items: there is none of region %s", spec.Region)
	}
	if err := p.verify(); err != nil {
		return nil, err
	}
	return p.probe, nil
}

// probe writes and reads within half of the time each, so that a region that takes no writes is read
// nevertheless.
//
//	the write        the reading      the result
//	fails            whatever         that of the write
//	passes           fails            that of the reading
//	cannot be judged fails            that of the reading
//	any other                         what cannot be judged, or else a pass
func (p *heartbeatProbe) probe(ctx context.Context) health.Result {
	counter, began := p.told.Next(p.spec.Group, p.spec.Region), time.Now()
	if failed, ok := p.prepare(ctx); !ok {
		err := &CallError{failed}
		p.told.Wrote(p.spec.Group, p.spec.Region, counter, began, time.Now(), err)
		p.told.Unread(p.spec.Group, p.spec.Region, began, time.Now(), err)
		return failed
	}
	written := p.within(ctx, 2, p.write(counter))
	p.told.Wrote(p.spec.Group, p.spec.Region, counter, began, time.Now(), errorOf(written))

	began = time.Now()
	counters := map[string]uint64{}
	read := p.within(ctx, 1, p.read(counters))
	ended := time.Now()
	if err := errorOf(read); err != nil {
		p.told.Unread(p.spec.Group, p.spec.Region, began, ended, err)
	}
	for from, counter := range counters {
		p.told.Saw(p.spec.Group, from, p.spec.Region, counter, began, ended)
	}
	p.reconsider(ctx, written, read)

	written.result.Detail = "writing: " + written.result.Detail
	read.result.Detail = "reading: " + read.result.Detail
	for _, verdict := range []health.Verdict{health.Fail, health.Indeterminate} {
		for _, o := range []answered{written, read} {
			if o.result.Verdict == verdict {
				return o.result
			}
		}
	}
	return pass(fmt.Sprintf("wrote a heartbeat, and read those of %d other regions", len(p.spec.Items)-1))
}

// within makes a call in one of so many parts of the time that is left.
func (p *heartbeatProbe) within(ctx context.Context, parts int, op operation) answered {
	if deadline, ok := ctx.Deadline(); ok && parts > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(parts))
		defer cancel()
	}
	return p.do(ctx, op)
}

// errorOf is nil for a pass.
func errorOf(o answered) error {
	if o.result.Verdict == health.Pass {
		return nil
	}
	o.result.Detail = oneLine(o.result.Detail)
	return &CallError{o.result}
}

// write puts the region's item, unless there is a later one: a write that was taken for lost may arrive after
// its successor.
func (p *heartbeatProbe) write(counter uint64) operation {
	n := &types.AttributeValueMemberN{Value: strconv.FormatUint(counter, 10)}
	item := attributesOf(p.spec.Items[p.spec.Region])
	item[counterAttribute] = n
	item[timeAttribute] = &types.AttributeValueMemberS{Value: time.Now().UTC().Format(time.RFC3339Nano)}
	input := &dynamodb.PutItemInput{
		TableName:                 aws.String(p.spec.Table),
		Item:                      item,
		ConditionExpression:       aws.String("attribute_not_exists(#n) OR #n < :n"),
		ExpressionAttributeNames:  map[string]string{"#n": counterAttribute},
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": n},
	}
	return operation{"PutItem", isEmpty, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		_, err := client.PutItem(ctx, input, options)
		if lost(err) {
			return conflict(err), nil
		}
		if later := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &later) {
			return indeterminate("conflict", "there is a later heartbeat of region %s: another server writes under the same name, or the clock of this host was set back", p.spec.Region), nil
		}
		return pass("written"), err
	}}
}

// lost says whether a write was not made since another region writes the same item. A check passes then, since the
// region works; who needs the item to be there has to write it again.
func lost(err error) bool {
	busy := (*types.ReplicatedWriteConflictException)(nil)
	return errors.As(err, &busy)
}

func conflict(err error) health.Result {
	return indeterminate("conflict", "another region writes the same item at this moment: %v", err)
}

// read reads the counters of all other regions, by one call, eventually consistent as the app's reads may be.
// A region whose item was not looked at, since the table throttles, is not in counters.
func (p *heartbeatProbe) read(counters map[string]uint64) operation {
	var keys []map[string]types.AttributeValue
	for _, region := range p.spec.Others() {
		keys = append(keys, attributesOf(p.spec.Items[region]))
	}
	wanted := types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(false)}
	wanted.ProjectionExpression, wanted.ExpressionAttributeNames = projection(append(namesOf(p.spec.Items[p.spec.Region]), counterAttribute)...)
	input := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{p.spec.Table: wanted}}

	return operation{"BatchGetItem", isBatch, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		out, err := client.BatchGetItem(ctx, input, options)
		if err != nil {
			return health.Result{}, err
		}
		var unprocessed []map[string]types.AttributeValue
		for _, left := range out.UnprocessedKeys {
			unprocessed = append(unprocessed, left.Keys...)
		}
		for _, region := range p.spec.Others() {
			if itemWith(p.spec.Items[region], unprocessed) == nil {
				counters[region] = 0
			}
			for _, items := range out.Responses {
				if item := itemWith(p.spec.Items[region], items); item != nil {
					counters[region] = counterOf(item)
				}
			}
		}
		if len(unprocessed) > 0 {
			return fail("throttled", "%d of %d items were not read, since the table throttles", len(unprocessed), len(keys)), nil
		}
		return pass("read"), nil
	}}
}

// itemWith is the item of a list that has a key; nil: none has.
func itemWith(key map[string]health.KeyAttribute, items []map[string]types.AttributeValue) map[string]types.AttributeValue {
next:
	for _, item := range items {
		for name, want := range key {
			var got string
			switch value := item[name].(type) {
			case *types.AttributeValueMemberS:
				got = value.Value
			case *types.AttributeValueMemberN:
				got = value.Value
			}
			if got != want.Value {
				continue next
			}
		}
		return item
	}
	return nil
}

// counterOf is the counter of an item; 0: it has none.
func counterOf(item map[string]types.AttributeValue) uint64 {
	n, ok := item[counterAttribute].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	counter, err := strconv.ParseUint(n.Value, 10, 64)
	if err != nil {
		return 0
	}
	return counter
}

// isEmpty says whether a body is what PutItem returns: an empty object.
func isEmpty(body []byte) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(body, &fields) == nil && fields != nil && len(fields) == 0
}

// isBatch says whether a body is what BatchGetItem returns.
func isBatch(body []byte) bool {
	var fields struct {
		Responses map[string]json.RawMessage
	}
	return json.Unmarshal(body, &fields) == nil && fields.Responses != nil
}
