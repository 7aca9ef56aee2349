package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"gslb/health"
)

// judgeFailure judges a call that returned no item and no absence of one:
//
//	no credentials; they took up the time           indeterminate  credentials
//	they do not say the account, which is needed    indeterminate  credentials
//	lookup, connect, TLS, timeout                   as classify does
//	5xx, whoever sent it; InternalServerError       fail           status
//	any other response that is not DynamoDB's word  fail           protocol
//	an error of DynamoDB's                          as judgeError does
//	a request that could not be made                indeterminate  local
func (d *database) judgeFailure(ctx context.Context, began time.Time, c *call, action string, err error) health.Result {
	var api smithy.APIError
	var foreign notDynamoDB
	var garbled *smithy.DeserializationError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return canceled()
	case errors.Is(err, errNoAccount):
		return indeterminate("credentials", "%v", errNoAccount)
	case errors.Is(err, errNoCredentials):
		return credentialsFailed(ctx, err)
	case c.fault != nil:
		return d.judgeFault(ctx, began, c)
	case errors.As(err, &foreign) && c.status < http.StatusInternalServerError:
		return fail("protocol", "%v", foreign)
	case errors.As(err, &api) && api.ErrorCode() != "UnknownError": // the SDK's word for no code
		return d.judgeError(c.status, action, api)
	case c.status >= http.StatusInternalServerError:
		return fail("status", "status %d", c.status)
	case errors.As(err, &garbled):
		return fail("protocol", "%v", notDynamoDB(fmt.Sprintf("status %d, %v", c.status, garbled.Err)))
	case c.status != 0:
		return fail("protocol", "%v", notDynamoDB(fmt.Sprintf("status %d without an error code", c.status)))
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return indeterminate("local", "timeout before anything was sent")
	}
	return indeterminate("local", "the request could not be made: %v", err)
}

// judgeFault judges an exchange that failed. A timeout counts against the region only if it had
// most of the time. If getting credentials took longer, the region is not at fault.
func (d *database) judgeFault(ctx context.Context, began time.Time, c *call) health.Result {
	result := classify(ctx, c.fault)
	deadline, ok := ctx.Deadline()
	if result.Reason == "timeout" && ok && c.signed.Sub(began) > deadline.Sub(began)/2 {
		return indeterminate("credentials",
			"getting credentials took more than half of the timeout, then: %s", result.Detail)
	}
	return result
}

// judgeError judges an error that DynamoDB answered with. The codes are those of the
// Amazon DynamoDB Developer Guide, "Error handling with DynamoDB", and of the "Common
// Errors" of its API Reference.
func (d *database) judgeError(status int, action string, api smithy.APIError) health.Result {
	code := api.ErrorCode()
	said := code + ": " + api.ErrorMessage()
	if status >= http.StatusInternalServerError {
		return fail("status", "status %d, %s", status, said)
	}
	if code == "ReplicatedWriteConflictException" && action == "PutItem" {
		// Another region writes the same item at this moment, so that this one is in touch with it.
		return health.Result{Verdict: health.Pass, Reason: "ok", Detail: said}
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return health.Result{Verdict: d.throttled(), Reason: "throttled", Detail: said}
	}
	switch code {
	case "InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException":
		return fail("status", "status %d, %s", status, said)

	case "ResourceNotFoundException":
		return health.Result{Verdict: d.missingTable, Reason: "missing_table",
			Detail: fmt.Sprintf("%s has no table %s: create its replica there, or correct table or region (%s)", d.region, d.table, said)}

	case "AccessDeniedException", "AccessDenied", "NotAuthorized":
		return indeterminate("access_denied",
			"these credentials lack a permission: allow dynamodb:%s on %s in %s (%s)", action, d.resource(), d.region, said)

	case "ExpiredTokenException", "ExpiredToken", "TokenRefreshRequired":
		return indeterminate("credentials", "the credentials have expired: renew them (%s)", said)

	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed":
		if isClock(code, api.ErrorMessage()) {
			return indeterminate("clock",
				"the clock of this host is off, so that AWS refuses its signatures: check its time synchronisation (%s)", said)
		}
		return indeterminate("credentials", "the signature is refused: check the secret access key (%s)", said)

	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "IncompleteSignature", "IncompleteSignatureException", "AuthFailure", "OptInRequired", "NotSignedUp":
		return indeterminate("credentials",
			"AWS does not know these credentials in %s: check the access key, the session token, and that the account has enabled the region (%s)", d.region, said)

	case "ValidationException", "ValidationError", "SerializationException":
		return indeterminate("validation",
			"the request does not fit table %s: compare the key's attributes and types with the table's (%s)", d.table, said)
	}
	return indeterminate("rejected", "status %d, %s", status, said)
}

// throttled is the verdict on a throttled request: a region that throttles works, unless the
// operator configures otherwise.
func (d *database) throttled() health.Verdict {
	if d.throttling == health.Fail {
		return health.Fail
	}
	return health.Pass
}

// resource is the table as IAM policies write it.
func (d *database) resource() string {
	if strings.HasPrefix(d.table, "arn:") {
		return d.table
	}
	return "table/" + d.table
}

// isClock distinguishes a signature that is too old or too new from a wrong one: DynamoDB has one
// code for both.
func isClock(code, message string) bool {
	return code == "RequestExpired" || code == "RequestTimeTooSkewed" ||
		strings.Contains(message, "Signature expired") || strings.Contains(message, "Signature not yet current")
}

// credentialsFailed is the result of a probe that had no credentials to sign with, for whatever
// reason, including a timeout. It says nothing about the region.
func credentialsFailed(ctx context.Context, err error) health.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		return canceled()
	}
	if errors.Is(err, errSettings) {
		return indeterminate("credentials", "%s; correct them in the environment or in ~/.aws", err)
	}
	if missing := (*noCredentials)(nil); errors.As(err, &missing) {
		err = missing.cause
	}
	// The reason comes first, since a detail has limited space.
	why := strings.TrimPrefix(err.Error(), "failed to refresh cached credentials, ") // as the SDK's cache says
	return indeterminate("credentials", "no usable AWS credentials: %s; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "+
		"or AWS_PROFILE, or give this host a role", why)
}
