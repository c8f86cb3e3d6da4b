// Sends one StartEgressRequest to the workers on a Redis, with LiveKit's own client for them, and prints the EgressInfo
// that a worker answers with. A server of version 1.13 never says that an egress was tried before; others do.
//
// Usage: start <redis address> < request.json
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address string) error {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	request := &rpc.StartEgressRequest{}
	if err := protojson.Unmarshal(body, request); err != nil {
		return err
	}
	bus := psrpc.NewRedisMessageBus(redis.NewClient(&redis.Options{Addr: address}))
	client, err := rpc.NewEgressClient(rpc.ClientParams{Bus: bus})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	info, err := client.StartEgress(ctx, "", request)
	if err != nil {
		return err
	}
	answer, err := protojson.Marshal(info)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(answer)
	return err
}
