package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"gslb/health"
)

// dynamoProbe reads one item, or learns that it is not there, from one region.
type dynamoProbe struct {
	spec    *health.DynamoDB
	network *network
	account *account
	input   *dynamodb.GetItemInput

	// Made by the first probe that finds the account's configuration. No lock: a Probe is
	// never called twice at once.
	client      *dynamodb.Client
	config      *aws.Config
	credentials aws.CredentialsProvider
	tls         *tls.Config
}

func newDynamoDB(n *network, a *account, spec *health.DynamoDB) (health.Probe, error) {
	switch {
	case spec.Table == "":
		return nil, errors.New("table: it is empty")
	case spec.Region == "":
		return nil, errors.New("region: it is empty")
	case len(spec.Key) == 0:
		return nil, errors.New("key: it names no attribute")
	}
	if err := verifyEndpoint(spec); err != nil {
		return nil, err
	}
	p := &dynamoProbe{spec: spec, network: n, account: a, input: getItem(spec)}
	return p.probe, nil
}

// verifyEndpoint reports a region or an endpoint that no request could be sent to.
func verifyEndpoint(spec *health.DynamoDB) error {
	if spec.Endpoint != "" {
		u, err := url.Parse(spec.Endpoint)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return fmt.Errorf("endpoint: %q is not of the form https://host or http://host:port", spec.Endpoint)
		}
		return nil
	}
	if !smithyhttp.ValidHostLabel(spec.Region) {
		return fmt.Errorf("region: %q cannot be part of an endpoint's name; want one like us-east-1", spec.Region)
	}
	return nil
}

// getItem is the cheapest possible read: eventually consistent (half a read unit), and only of the
// key attributes, so that a large item is not sent. The names are aliased, since DynamoDB reserves
// several hundred words.
func getItem(spec *health.DynamoDB) *dynamodb.GetItemInput {
	key := make(map[string]types.AttributeValue, len(spec.Key))
	aliases := make(map[string]string, len(spec.Key))
	var projection []string
	for _, name := range slices.Sorted(maps.Keys(spec.Key)) {
		attribute := spec.Key[name]
		if attribute.Number {
			key[name] = &types.AttributeValueMemberN{Value: attribute.Value}
		} else {
			key[name] = &types.AttributeValueMemberS{Value: attribute.Value}
		}
		alias := fmt.Sprintf("#k%d", len(projection))
		aliases[alias] = name
		projection = append(projection, alias)
	}
	return &dynamodb.GetItemInput{
		TableName:                aws.String(spec.Table),
		Key:                      key,
		ConsistentRead:           aws.Bool(false),
		ProjectionExpression:     aws.String(strings.Join(projection, ", ")),
		ExpressionAttributeNames: aliases,
	}
}

func (p *dynamoProbe) probe(ctx context.Context) health.Result {
	began := time.Now()
	if p.client == nil {
		config, err := p.account.config(ctx)
		if err != nil {
			return credentialsFailed(ctx, err)
		}
		p.prepare(*config)
		p.config = config
	}

	c := &call{network: p.network, tls: p.tls, credentials: p.credentials}
	out, err := p.client.GetItem(ctx, p.input, func(o *dynamodb.Options) {
		o.Credentials = c
		o.HTTPClient = c
	})
	if err != nil {
		result := p.judgeFailure(ctx, began, c, err)
		p.reconsider(ctx, c, err, result)
		return result
	}
	for name, value := range out.Item {
		if value == nil { // the SDK's word for what it does not know
			return fail("protocol", "%v", notDynamoDB(fmt.Sprintf("attribute %q of the item is of no type", name)))
		}
	}
	switch {
	case len(out.Item) > 0:
		return pass("the item is there")
	case p.spec.RequireItem:
		return fail("no_item", "table %s has no item with this key", p.spec.Table)
	}
	return pass("the table answers, without such an item")
}

// reconsider has the account's configuration loaded again if a call failed because of its
// credentials.
func (p *dynamoProbe) reconsider(ctx context.Context, c *call, err error, result health.Result) {
	switch {
	case errors.Is(err, errNoCredentials) && ctx.Err() != nil:
		p.account.forgetSlow(p.config)
	case errors.Is(err, errNoCredentials),
		c.status != 0 && (result.Reason == "credentials" || result.Reason == "access_denied"):
		p.account.forget(p.config)
	default:
		return
	}
	p.client = nil
}

// prepare makes the client. Of the account's configuration it takes the credentials and the roots
// to verify AWS by: everything else that environment and profile may set (FIPS and dual-stack
// endpoints, other endpoints, retries, the defaults mode, the region) would make the probe differ
// from what zones.toml describes.
func (p *dynamoProbe) prepare(config aws.Config) {
	p.credentials = config.Credentials
	p.tls = tlsOf(config)
	o := dynamodb.Options{
		Region:                p.spec.Region,
		AccountIDEndpointMode: aws.AccountIDEndpointModeDisabled,
		Retryer:               aws.NopRetryer{}, // the tracker is the retry
		// verifyReply checks it, together with status and content type.
		DisableValidateResponseChecksum: true,
		Logger:                          logging.Nop{},
		AppID:                           "gslb",
	}
	o.EndpointDiscovery.EnableEndpointDiscovery = aws.EndpointDiscoveryDisabled // a control plane call
	if p.spec.Endpoint != "" {
		o.BaseEndpoint = aws.String(p.spec.Endpoint)
	}
	p.client = dynamodb.New(o)
}

// tlsOf returns the TLS settings of the configuration's own client, which has the roots of
// AWS_CA_BUNDLE.
func tlsOf(config aws.Config) *tls.Config {
	c := &tls.Config{}
	if client, ok := config.HTTPClient.(*awshttp.BuildableClient); ok {
		if own := client.GetTransport().TLSClientConfig; own != nil {
			c = own.Clone()
		}
	}
	c.NextProtos = []string{"http/1.1"}
	return c
}
