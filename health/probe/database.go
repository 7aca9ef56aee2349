package probe

import (
	"cmp"
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

// database calls DynamoDB for one table in one region, by one of the region's names. Its methods are not to
// be called at the same time, but for do.
type database struct {
	network *network
	account *account

	table, region string
	names                // that AWS has for the region
	endpoint      string // base URL; empty: AWS's own
	throttling    health.Verdict
	missingTable  health.Verdict

	// Made by the first call that finds the account's configuration.
	client      *dynamodb.Client
	config      *aws.Config
	credentials aws.CredentialsProvider
	tls         *tls.Config
}

// names says which of the names of a region is used.
type names struct {
	account         bool   // the account's; false: the region's
	accountID       string // empty: what the credentials say
	dualStack, fips bool
}

// operation is one call of DynamoDB.
type operation struct {
	action string // as IAM policies write it, without the service
	// isReply says whether a body is what the action answers with when it succeeds. The SDK would take any
	// object for one.
	isReply func([]byte) bool
	// send makes the call, and judges what it returned unless that is an error.
	send func(context.Context, *dynamodb.Client, func(*dynamodb.Options)) (health.Result, error)
}

// verify reports a table, a region or an endpoint that no request could be sent to.
func (d *database) verify() error {
	switch {
	case d.table == "":
		return errors.New("table: it is empty")
	case d.region == "":
		return errors.New("region: it is empty")
	}
	if d.endpoint != "" {
		u, err := url.Parse(d.endpoint)
		if err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return fmt.Errorf("endpoint: %q is not of the form https://host or http://host:port", d.endpoint)
		}
	} else if !smithyhttp.ValidHostLabel(d.region) {
		return fmt.Errorf("region: %q cannot be part of an endpoint's name; want one like us-east-1", d.region)
	}
	// The rules of the SDK know which names there are: none of an account in some partitions, nor together
	// with FIPS. They take a dual-stack name if it is asked for, but not as an endpoint.
	_, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), dynamodb.EndpointParameters{
		Endpoint: d.baseEndpoint(), Region: aws.String(d.region), UseDualStack: aws.Bool(d.dualStack), UseFIPS: aws.Bool(d.fips),
		AccountId: aws.String(cmp.Or(d.accountID, "123456789012")), AccountIdEndpointMode: aws.String(string(d.accountMode())),
	})
	if err != nil {
		return fmt.Errorf("region: there is no such endpoint of %s: %w", d.region, err)
	}
	return nil
}

// baseEndpoint is the endpoint as the SDK has it; nil: it chooses among AWS's own.
func (d *database) baseEndpoint() *string {
	if d.endpoint == "" {
		return nil
	}
	return aws.String(d.endpoint)
}

func (d *database) accountMode() aws.AccountIDEndpointMode {
	if d.names.account {
		return aws.AccountIDEndpointModeRequired
	}
	return aws.AccountIDEndpointModeDisabled
}

// prepare makes the client, and says what is wrong if it cannot. Of the account's configuration it takes the
// credentials and the roots to verify AWS by: everything else that environment and profile may set (FIPS and
// dual-stack endpoints, other endpoints, retries, the defaults mode, the region) would make the probe differ
// from what zones.toml describes.
func (d *database) prepare(ctx context.Context) (failed health.Result, ok bool) {
	if d.client != nil {
		return health.Result{}, true
	}
	config, err := d.account.config(ctx)
	if err != nil {
		return credentialsFailed(ctx, err), false
	}
	d.config = config
	d.credentials = config.Credentials
	d.tls = tlsOf(*config)
	o := dynamodb.Options{
		Region:                d.region,
		AccountIDEndpointMode: d.accountMode(),
		Retryer:               aws.NopRetryer{}, // the tracker is the retry
		// verifyReply checks it, together with status and content type.
		DisableValidateResponseChecksum: true,
		Logger:                          logging.Nop{},
		AppID:                           "gslb",
	}
	o.EndpointDiscovery.EnableEndpointDiscovery = aws.EndpointDiscoveryDisabled // a control plane call
	if d.dualStack {
		o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	if d.fips {
		o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	}
	o.BaseEndpoint = d.baseEndpoint()
	d.client = dynamodb.New(o)
	return health.Result{}, true
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

// answered is how an operation ended.
type answered struct {
	result health.Result
	err    error // nil: it succeeded, and the result judges what came back
	status int   // of the response; 0: there was none
}

// do makes a call on a connection of its own, once prepare has succeeded.
func (d *database) do(ctx context.Context, op operation) answered {
	began := time.Now()
	c := &call{network: d.network, tls: d.tls, credentials: d.credentials, isReply: op.isReply, names: d.names}
	result, err := op.send(ctx, d.client, func(o *dynamodb.Options) {
		o.Credentials = c
		o.HTTPClient = c
	})
	if err != nil {
		result = d.judgeFailure(ctx, began, c, op.action, err)
	}
	return answered{result, err, c.status}
}

// reconsider has the account's configuration loaded again if calls failed because of its credentials.
func (d *database) reconsider(ctx context.Context, calls ...answered) {
	for _, o := range calls {
		switch {
		case errors.Is(o.err, errNoCredentials) && ctx.Err() != nil:
			d.account.forgetSlow(d.config)
		case errors.Is(o.err, errNoCredentials),
			o.status != 0 && (o.result.Reason == "credentials" || o.result.Reason == "access_denied"),
			o.result.Reason == "tls" && d.tls.RootCAs != nil: // those of AWS_CA_BUNDLE, which may have changed
			d.account.forget(d.config)
		default:
			continue
		}
		d.client = nil
	}
}

// attributesOf is a key as DynamoDB has it.
func attributesOf(key map[string]health.KeyAttribute) map[string]types.AttributeValue {
	attributes := make(map[string]types.AttributeValue, len(key))
	for name, a := range key {
		if a.Number {
			attributes[name] = &types.AttributeValueMemberN{Value: a.Value}
		} else {
			attributes[name] = &types.AttributeValueMemberS{Value: a.Value}
		}
	}
	return attributes
}

// projection asks for some attributes alone, so that a large item is not sent. The names are aliased, since
// DynamoDB reserves several hundred words.
func projection(names ...string) (expression *string, aliases map[string]string) {
	slices.Sort(names)
	aliases = make(map[string]string, len(names))
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("#k%d", i)
		aliases[list[i]] = name
	}
	return aws.String(strings.Join(list, ", ")), aliases
}

// namesOf are the attributes of a key.
func namesOf(key map[string]health.KeyAttribute) []string { return slices.Sorted(maps.Keys(key)) }
