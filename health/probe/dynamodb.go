package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gslb/health"
)

// dynamoProbe reads one item, or learns that it is not there, from one region.
type dynamoProbe struct {
	spec *health.DynamoDB
	*database
}

func newDynamoDB(n *network, a *account, spec *health.DynamoDB) (health.Probe, error) {
	p := &dynamoProbe{spec, &database{
		network: n, account: a, table: spec.Table, region: spec.Region, endpoint: spec.Endpoint,
		throttling: spec.Throttling, missingTable: spec.MissingTable,
	}}
	if err := p.verify(); err != nil {
		return nil, err
	}
	if len(spec.Key) == 0 {
		return nil, errors.New("key: it names no attribute")
	}
	return p.probe, nil
}

func (p *dynamoProbe) probe(ctx context.Context) health.Result {
	if failed, ok := p.prepare(ctx); !ok {
		return failed
	}
	made := p.do(ctx, p.read())
	p.reconsider(ctx, made)
	return made.result
}

// read is the cheapest possible read: eventually consistent (half a read unit), and only of the
// key attributes.
func (p *dynamoProbe) read() operation {
	input := &dynamodb.GetItemInput{
		TableName:      aws.String(p.spec.Table),
		Key:            attributesOf(p.spec.Key),
		ConsistentRead: aws.Bool(false),
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
