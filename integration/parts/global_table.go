package parts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// copyMark is the attribute that a copy has. Each has another value, so that what was copied is told from
// what somebody has written on top of it.
const copyMark = "gslb:copy"

// pollEvery is how often each stream is read. A copy arrives as much later as a rule.
const pollEvery = 50 * time.Millisecond

// describeEvery is how often it is looked for new shards of a stream, each of which lasts for hours, and for
// another stream of the table.
const describeEvery = time.Second

// GlobalTable copies one table between DynamoDB Locals, as AWS does between the regions of a global table:
// what is written in one is read from its stream and put into the others, and the last writer wins. It
// stands for AWS's own replication, of which there is no emulation. Its methods are safe for concurrent use.
type GlobalTable struct {
	table, key string
	replicas   []*replica
	transport  *http.Transport // of all calls, which are many: connections are kept
	tasks      sync.WaitGroup
	stop       context.CancelFunc

	mu    sync.Mutex
	ways  map[[2]string]way    // by the regions, from and to
	marks map[string]bool      // of copies whose own record in the stream has not come yet
	last  map[string]version   // of each item, by its key
	has   map[[2]string]uint64 // the number of the version that a region has of an item: by region and key
	fault error                // the first that no test had in mind
}

// replica is the table in one region, and the stream of what is written there.
type replica struct {
	*DynamoDBLocal
	tables  *dynamodb.Client
	streams *dynamodbstreams.Client
	read    map[string]*string // of each shard, the sequence number of the last record that was read; of follow alone
}

// way is how what is written in one region comes to another.
type way struct {
	stopped bool
	delay   time.Duration
	waiting []change // in the order in which they were written
}

// version is what the last writer of an item has written, and since when that has been known.
type version struct {
	number uint64
	origin string
}

// change is one write on its way.
type change struct {
	version
	item map[string]types.AttributeValue // nil: it was deleted
	key  map[string]types.AttributeValue
	due  time.Time
}

// StartGlobalTable makes the table where it is missing, with its string hash key, and copies it between the
// regions until Close.
func StartGlobalTable(ctx context.Context, table, key string, regions ...*DynamoDBLocal) (*GlobalTable, error) {
	g := &GlobalTable{table: table, key: key, transport: &http.Transport{}, ways: make(map[[2]string]way), marks: make(map[string]bool), last: make(map[string]version), has: make(map[[2]string]uint64)}
	for _, region := range regions {
		if err := region.CreateTable(ctx, table, key); err != nil {
			return nil, err
		}
		o := region.client.Options()
		o.HTTPClient = &http.Client{Transport: g.transport, Timeout: httpWait}
		streams := dynamodbstreams.New(dynamodbstreams.Options{
			Region: o.Region, BaseEndpoint: o.BaseEndpoint, HTTPClient: o.HTTPClient, RetryMaxAttempts: 1, Credentials: o.Credentials,
		})
		g.replicas = append(g.replicas, &replica{region, dynamodb.New(o), streams, make(map[string]*string)})
	}
	running, stop := context.WithCancel(context.Background())
	g.stop = stop
	for _, from := range g.replicas {
		g.tasks.Go(func() { g.follow(running, from) })
		for _, to := range g.replicas {
			if to != from {
				g.tasks.Go(func() { g.carry(running, from, to) })
			}
		}
	}
	return g, nil
}

// Close ends the copying, and returns what went wrong that no fault of a region explains.
func (g *GlobalTable) Close() error {
	g.stop()
	g.tasks.Wait()
	g.transport.CloseIdleConnections()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault
}

// Halt stops the copying from one region to another, by their names in AWS. What is written meanwhile waits.
func (g *GlobalTable) Halt(from, to string) { g.alter(from, to, func(w *way) { w.stopped = true }) }

// Resume goes on with it.
func (g *GlobalTable) Resume(from, to string) { g.alter(from, to, func(w *way) { w.stopped = false }) }

// Delay has what is written from now on in one region arrive so much later in another.
func (g *GlobalTable) Delay(from, to string, delay time.Duration) {
	g.alter(from, to, func(w *way) { w.delay = delay })
}

// HaltAll stops all copying from and to a region, and ResumeAll goes on with it.
func (g *GlobalTable) HaltAll(region string)   { g.alterAll(region, g.Halt) }
func (g *GlobalTable) ResumeAll(region string) { g.alterAll(region, g.Resume) }

func (g *GlobalTable) alterAll(region string, alter func(from, to string)) {
	for _, r := range g.replicas {
		if r.Region != region {
			alter(region, r.Region)
			alter(r.Region, region)
		}
	}
}

func (g *GlobalTable) alter(from, to string, alter func(*way)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.ways[[2]string{from, to}]
	alter(&w)
	g.ways[[2]string{from, to}] = w
}

// follow reads the stream of a region. After a pause of DynamoDB Local it goes on where it was; a restarted
// one has empty tables and another stream, and so has a table that was deleted and made again.
func (g *GlobalTable) follow(ctx context.Context, from *replica) {
	for ctx.Err() == nil {
		if err := g.readStream(ctx, from); err != nil && ctx.Err() == nil {
			sleep(ctx, 4*pollEvery)
		}
	}
}

// streamOf is the stream of the table as it is in a region at present.
func (g *GlobalTable) streamOf(ctx context.Context, r *replica) (arn string, err error) {
	table, err := r.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(g.table)})
	if err != nil {
		return "", err
	}
	if table.Table.LatestStreamArn == nil {
		return "", g.note(fmt.Errorf("%s: table %s has no stream", r.Name(), g.table))
	}
	return *table.Table.LatestStreamArn, nil
}

// readStream reads a stream until something goes wrong, or the table has another one: that of a table which was
// deleted can still be read, for a day at AWS.
func (g *GlobalTable) readStream(ctx context.Context, from *replica) error {
	arn, err := g.streamOf(ctx, from)
	if err != nil {
		return err
	}
	iterators := map[string]*string{} // of the shards that have not ended
	known := map[string]bool{}        // all shards
	var described time.Time
	for ctx.Err() == nil {
		if time.Since(described) >= describeEvery {
			if latest, err := g.streamOf(ctx, from); err != nil || latest != arn {
				return err
			}
			stream, err := from.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
			if err != nil {
				return err
			}
			described = time.Now()
			for _, shard := range stream.StreamDescription.Shards {
				if id := *shard.ShardId; !known[id] {
					if iterators[id], err = from.begin(ctx, &arn, id); err != nil {
						return err
					}
					known[id] = true
				}
			}
		}
		for id, iterator := range iterators {
			records, err := from.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator})
			if err != nil {
				return err
			}
			if iterators[id] = records.NextShardIterator; iterators[id] == nil {
				delete(iterators, id)
			}
			for _, record := range records.Records {
				from.read[id] = record.Dynamodb.SequenceNumber
				g.take(from, record.Dynamodb)
			}
		}
		sleep(ctx, pollEvery)
	}
	return ctx.Err()
}

// begin returns the iterator of what was not read of a shard.
func (r *replica) begin(ctx context.Context, stream *string, shard string) (*string, error) {
	input := &dynamodbstreams.GetShardIteratorInput{StreamArn: stream, ShardId: aws.String(shard), ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon}
	if last := r.read[shard]; last != nil {
		input.ShardIteratorType, input.SequenceNumber = streamtypes.ShardIteratorTypeAfterSequenceNumber, last
	}
	began, err := r.streams.GetShardIterator(ctx, input)
	if err != nil {
		return nil, err
	}
	return began.ShardIterator, nil
}

// take sends a write on its ways, unless it is a copy.
func (g *GlobalTable) take(from *replica, record *streamtypes.StreamRecord) {
	item := plainItem(record.NewImage)
	g.mu.Lock()
	defer g.mu.Unlock()
	if mark, ok := item[copyMark].(*types.AttributeValueMemberS); ok {
		if g.marks[mark.Value] {
			delete(g.marks, mark.Value)
			return
		}
		delete(item, copyMark)
	}
	key := plainItem(record.Keys)
	id := key[g.key].(*types.AttributeValueMemberS).Value
	if gone := deletionOf(id, from); item == nil && g.marks[gone] {
		delete(g.marks, gone)
		return
	}
	v := version{g.last[id].number + 1, from.Region}
	g.last[id], g.has[[2]string{from.Region, id}] = v, v.number
	for _, to := range g.replicas {
		if to != from {
			w := g.ways[[2]string{from.Region, to.Region}]
			w.waiting = append(slices.Clip(w.waiting), change{v, item, key, time.Now().Add(w.delay)})
			g.ways[[2]string{from.Region, to.Region}] = w
		}
	}
}

// carry copies what is due from one region to another. A region that does not answer is asked again.
func (g *GlobalTable) carry(ctx context.Context, from, to *replica) {
	for ctx.Err() == nil {
		c, ok := g.due(from, to)
		if !ok {
			sleep(ctx, pollEvery/5)
			continue
		}
		if err := g.apply(ctx, to, c); err != nil {
			sleep(ctx, 4*pollEvery)
			continue
		}
		g.alter(from.Region, to.Region, func(w *way) { w.waiting = w.waiting[1:] })
	}
}

// due is the next change that is to arrive now.
func (g *GlobalTable) due(from, to *replica) (change, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.ways[[2]string{from.Region, to.Region}]
	if w.stopped || len(w.waiting) == 0 || time.Now().Before(w.waiting[0].due) {
		return change{}, false
	}
	return w.waiting[0], true
}

// apply puts a change into a region, unless that has a later one. One that is on its way does not count: a
// region that is written all the time would never get anything from a slow way.
func (g *GlobalTable) apply(ctx context.Context, to *replica, c change) error {
	g.mu.Lock()
	id := c.key[g.key].(*types.AttributeValueMemberS).Value
	if g.has[[2]string{to.Region, id}] >= c.number {
		g.mu.Unlock()
		return nil
	}
	mark := fmt.Sprintf("%s %d %s %s", id, c.number, c.origin, to.Region)
	if c.item == nil {
		mark = deletionOf(id, to)
	}
	g.marks[mark] = true
	g.mu.Unlock()

	got := func(err error) error {
		if err == nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			at := [2]string{to.Region, id}
			g.has[at] = max(g.has[at], c.number)
		}
		return err
	}
	if c.item == nil {
		old, err := to.tables.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: aws.String(g.table), Key: c.key, ReturnValues: types.ReturnValueAllOld,
		})
		if err == nil && len(old.Attributes) == 0 { // the stream has nothing of that
			g.mu.Lock()
			delete(g.marks, mark)
			g.mu.Unlock()
		}
		return got(err)
	}
	item := maps.Clone(c.item)
	item[copyMark] = &types.AttributeValueMemberS{Value: mark}
	_, err := to.tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(g.table), Item: item})
	return got(err)
}

// deletionOf stands for the mark that a deleted item can't have.
func deletionOf(id string, in *replica) string { return "deleted " + id + " in " + in.Region }

// note keeps the first error that is no fault of a region.
func (g *GlobalTable) note(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = errors.Join(g.fault, err)
	return err
}

// plainItem is an item of a stream as the tables have it.
func plainItem(from map[string]streamtypes.AttributeValue) map[string]types.AttributeValue {
	if from == nil {
		return nil
	}
	item := make(map[string]types.AttributeValue, len(from))
	for name, value := range from {
		item[name] = plainValue(value)
	}
	return item
}

// plainValue knows the types that the tables here have.
func plainValue(v streamtypes.AttributeValue) types.AttributeValue {
	switch v := v.(type) {
	case *streamtypes.AttributeValueMemberS:
		return &types.AttributeValueMemberS{Value: strings.Clone(v.Value)}
	case *streamtypes.AttributeValueMemberN:
		return &types.AttributeValueMemberN{Value: v.Value}
	case *streamtypes.AttributeValueMemberBOOL:
		return &types.AttributeValueMemberBOOL{Value: v.Value}
	}
	panic(fmt.Sprintf("an attribute of type %T: teach the copier what it is", v))
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
