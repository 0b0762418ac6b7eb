package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

const maxMessage = 1 << 30

// response is a discovery response of either protocol.
type response struct {
	typeURL   string
	version   string
	resources []*anypb.Any
	answered  []string // names that a delta response has or says are not there
	size      int
}

// protocol is one open stream. receive acknowledges what it returns.
type protocol interface {
	subscribe(typeURL string, names []string) error
	receive() (*response, error)
}

// connection reads a stream's responses in the background, so that a server never waits for an acknowledgement.
type connection struct {
	protocol
	delta     bool
	responses chan *response
}

func connect(ctx context.Context, address string, delta bool, node *core.Node) (*connection, error) {
	client, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, err
	}
	service := discovery.NewAggregatedDiscoveryServiceClient(client)
	c := &connection{delta: delta, responses: make(chan *response, 100)}
	if delta {
		stream, err := service.DeltaAggregatedResources(ctx)
		if err != nil {
			return nil, err
		}
		c.protocol = &incremental{stream: stream, node: node}
	} else {
		stream, err := service.StreamAggregatedResources(ctx)
		if err != nil {
			return nil, err
		}
		c.protocol = &stateOfTheWorld{stream: stream, node: node, names: map[string][]string{}}
	}
	go c.read()
	return c, nil
}

func (c *connection) read() {
	defer close(c.responses)
	for {
		r, err := c.receive()
		if err != nil {
			fmt.Fprintln(os.Stderr, "xdsdump: the stream ended:", err)
			return
		}
		c.responses <- r
	}
}

// fetch subscribes to a type and waits for its answer: the first response, or with names over delta until each of them was answered.
func (c *connection) fetch(typeURL string, names []string, timeout time.Duration) *dump {
	start := time.Now()
	d := &dump{Type: typeURL, Resources: map[string]*resource{}}
	missing := map[string]bool{}
	if c.delta {
		for _, name := range names {
			missing[name] = true
		}
	}
	if err := c.subscribe(typeURL, names); err != nil {
		d.Error = err.Error()
		return d
	}
	deadline := time.After(timeout)
	for {
		select {
		case r, open := <-c.responses:
			if !open {
				d.Error = "stream closed"
				return d
			}
			if r.typeURL != typeURL {
				continue
			}
			d.add(r)
			for _, name := range r.answered {
				delete(missing, name)
			}
			if len(missing) == 0 {
				d.Millis = time.Since(start).Milliseconds()
				return d
			}
		case <-deadline:
			d.Error = fmt.Sprintf("timed out; %d of %d names not answered", len(missing), len(names))
			return d
		}
	}
}

// Requests and acknowledgements come from two goroutines; a stream takes one sender at a time.
type stateOfTheWorld struct {
	sync.Mutex
	stream discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	node   *core.Node
	names  map[string][]string // by type: an acknowledgement repeats them
}

func (s *stateOfTheWorld) subscribe(typeURL string, names []string) error {
	s.Lock()
	defer s.Unlock()
	s.names[typeURL] = names
	request := &discovery.DiscoveryRequest{TypeUrl: typeURL, ResourceNames: names, Node: s.node}
	s.node = nil // only a stream's first request carries it
	return s.stream.Send(request)
}

func (s *stateOfTheWorld) receive() (*response, error) {
	r, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	s.Lock()
	defer s.Unlock()
	err = s.stream.Send(&discovery.DiscoveryRequest{
		TypeUrl: r.TypeUrl, ResourceNames: s.names[r.TypeUrl], VersionInfo: r.VersionInfo, ResponseNonce: r.Nonce})
	return &response{typeURL: r.TypeUrl, version: r.VersionInfo, resources: r.Resources, size: proto.Size(r)}, err
}

type incremental struct {
	sync.Mutex
	stream discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	node   *core.Node
}

func (s *incremental) subscribe(typeURL string, names []string) error {
	s.Lock()
	defer s.Unlock()
	request := &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names, Node: s.node}
	s.node = nil
	return s.stream.Send(request)
}

func (s *incremental) receive() (*response, error) {
	r, err := s.stream.Recv()
	if err != nil {
		return nil, err
	}
	result := &response{typeURL: r.TypeUrl, version: r.SystemVersionInfo, answered: r.RemovedResources, size: proto.Size(r)}
	for _, x := range r.Resources {
		result.answered = append(result.answered, x.Name)
		if x.Resource != nil {
			result.resources = append(result.resources, x.Resource)
		}
	}
	s.Lock()
	defer s.Unlock()
	return result, s.stream.Send(&discovery.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
}
