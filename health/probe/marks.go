package probe

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gslb/health"
)

// markAttribute is that of a mark's item which has its value.
const markAttribute = "gslb_mark"

// Marks writes and reads the marks of planned moves. It is safe for concurrent use.
type Marks struct {
	network *network
	account *account
}

// NewMarks makes marks of the account, and by the network, that the options say.
func NewMarks(o Options) *Marks { return &Marks{o.network(), newAccount(o.AWS)} }

// Put writes the value of a mark, whatever it was before. With an error it may have been written nevertheless.
// The error is a [CallError]. It ends soon after ctx does, which should have a deadline.
func (m *Marks) Put(ctx context.Context, mark health.Mark, value string) error {
	item := attributesOf(mark.Key)
	item[markAttribute] = &types.AttributeValueMemberS{Value: value}
	input := &dynamodb.PutItemInput{TableName: aws.String(mark.Table), Item: item}
	return m.call(ctx, mark, operation{"PutItem", isEmpty, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		_, err := client.PutItem(ctx, input, options)
		if lost(err) {
			return conflict(err), nil
		}
		return pass("written"), err
	}})
}

// Get reads the value of a mark as its region has it at this moment; empty: it has none. Errors are as those
// of Put.
func (m *Marks) Get(ctx context.Context, mark health.Mark) (value string, err error) {
	input := &dynamodb.GetItemInput{TableName: aws.String(mark.Table), Key: attributesOf(mark.Key), ConsistentRead: aws.Bool(true)}
	input.ProjectionExpression, input.ExpressionAttributeNames = projection(markAttribute)
	err = m.call(ctx, mark, operation{"GetItem", isItem, func(ctx context.Context, client *dynamodb.Client, options func(*dynamodb.Options)) (health.Result, error) {
		out, err := client.GetItem(ctx, input, options)
		if err != nil {
			return health.Result{}, err
		}
		if s, ok := out.Item[markAttribute].(*types.AttributeValueMemberS); ok {
			value = s.Value
		}
		return pass("read"), nil
	}})
	return value, err
}

func (m *Marks) call(ctx context.Context, mark health.Mark, op operation) error {
	d := &database{
		network: m.network, account: m.account, table: mark.Table, region: mark.Region, endpoint: mark.Endpoint,
		names:      names{dualStack: mark.DualStack, fips: mark.FIPS},
		throttling: health.Fail, missingTable: health.Fail,
	}
	if err := d.verify(); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	failed, ok := d.prepare(ctx)
	if !ok {
		return &CallError{failed}
	}
	made := d.do(ctx, op)
	d.reconsider(ctx, made)
	return errorOf(made)
}
