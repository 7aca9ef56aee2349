package parts

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// DynamoDBLocalVar names the environment variable with the folder that DynamoDBLocal.jar
// is in, for whoever keeps it elsewhere than make setup does.
const DynamoDBLocalVar = "GSLB_DYNAMODB_LOCAL"

// DynamoDBLocal is Amazon's own emulation of DynamoDB, which keeps its tables in memory: a
// restarted one is empty. Tables belong to the access key and the region of the request
// that made them, so a client that signs for another region finds none.
type DynamoDBLocal struct {
	*Part
	Region   string
	Endpoint string // base URL

	client *dynamodb.Client
}

// DynamoDBConfig says how to run a DynamoDB Local.
type DynamoDBConfig struct {
	Name   string // of the part
	Region string // of AWS
	// Listen is where clients reach it; the zero value: a free port of 127.0.0.1. It takes
	// the port on every address of the machine, which cannot be told otherwise.
	Listen netip.AddrPort
}

// StartDynamoDBLocal starts a DynamoDB Local and returns once it answers a read.
func (l *Lab) StartDynamoDBLocal(ctx context.Context, config DynamoDBConfig) (*DynamoDBLocal, error) {
	java, err := find("java")
	if err != nil {
		return nil, err
	}
	dir, err := dynamoDBLocalDir()
	if err != nil {
		return nil, err
	}
	if !config.Listen.IsValid() {
		free, err := l.FreePort(netip.IPv4Unspecified())
		if err != nil {
			return nil, err
		}
		config.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), free.Port())
	}
	endpoint := "http://" + config.Listen.String()
	d := &DynamoDBLocal{
		Region:   config.Region,
		Endpoint: endpoint,
		client:   newDynamoDBClient(config.Region, endpoint),
	}
	d.Part, err = l.start(ctx, program{
		name: config.Name,
		path: java,
		args: []string{
			// A small JVM that starts quickly rather than one that lasts.
			"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-Djava.library.path=./DynamoDBLocal_lib",
			"-jar", "DynamoDBLocal.jar", "-inMemory",
			"-port", strconv.Itoa(int(config.Listen.Port())),
		},
		dir:   dir,
		ready: d.answers,
	})
	return d, err
}

func dynamoDBLocalDir() (string, error) {
	dir := os.Getenv(DynamoDBLocalVar)
	if dir == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, ".cache", "dynamodb-local")
	}
	if _, err := os.Stat(filepath.Join(dir, "DynamoDBLocal.jar")); err != nil {
		return "", errors.New("DynamoDB Local is not installed; run make setup")
	}
	return dir, nil
}
