package parts

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The credentials that every request is signed with. DynamoDB Local accepts any, and keeps separate
// tables for each access key.
const (
	accessKey = "local"
	secretKey = "local"
)

// Credentials is the environment that gives a program the access key of the tables here.
func Credentials() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey}
}

func newDynamoDBClient(region, endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:           region,
		BaseEndpoint:     aws.String(endpoint),
		HTTPClient:       freshClient(),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	})
}

// answers returns nil once a read is answered, if only with that there is no such table. The
// first one takes a new JVM much longer than the later ones, and clients have short limits.
func (d *DynamoDBLocal) answers(ctx context.Context) error {
	_, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String("no-such-table"),
		Key:       attributes(map[string]string{"id": "none"}),
	})
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		return nil
	}
	return err
}

// CreateTable makes a table whose hash key is the string attribute key, with a stream of what is written.
// One that is there already is left as it is.
func (d *DynamoDBLocal) CreateTable(ctx context.Context, table, key string) error {
	_, err := d.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            aws.String(table),
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(key), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(key), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
	if there := (*types.ResourceInUseException)(nil); err != nil && !errors.As(err, &there) {
		return fmt.Errorf("%s: create table %s: %w", d.Name(), table, err)
	}
	return nil
}

// DeleteTable removes a table. One that is not there is no error.
func (d *DynamoDBLocal) DeleteTable(ctx context.Context, table string) error {
	_, err := d.client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)})
	if gone := (*types.ResourceNotFoundException)(nil); err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("%s: delete table %s: %w", d.Name(), table, err)
	}
	return nil
}

// PutItem writes an item of string attributes.
func (d *DynamoDBLocal) PutItem(ctx context.Context, table string, item map[string]string) error {
	_, err := d.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: attributes(item)})
	if err != nil {
		return fmt.Errorf("%s: put an item into table %s: %w", d.Name(), table, err)
	}
	return nil
}

// Item reads an item by its key, consistently; nil: there is none. Only its string attributes are returned.
func (d *DynamoDBLocal) Item(ctx context.Context, table string, key map[string]string) (map[string]string, error) {
	read, err := d.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(table), Key: attributes(key), ConsistentRead: aws.Bool(true),
	})
	if err != nil || read.Item == nil {
		return nil, err
	}
	item := make(map[string]string, len(read.Item))
	for name, value := range read.Item {
		if s, ok := value.(*types.AttributeValueMemberS); ok && name != copyMark {
			item[name] = s.Value
		}
	}
	return item, nil
}

func attributes(item map[string]string) map[string]types.AttributeValue {
	values := make(map[string]types.AttributeValue, len(item))
	for name, value := range item {
		values[name] = &types.AttributeValueMemberS{Value: value}
	}
	return values
}
