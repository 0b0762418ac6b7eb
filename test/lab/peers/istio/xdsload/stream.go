package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	window     = 4 << 20
	maxMessage = 1 << 30
)

// lastError is why a stream ended most recently.
var lastError atomic.Value

// sharedNames are read from one stream's response for all: the streams are alike, and decoding is what must not be measured.
type sharedNames struct {
	once  sync.Once
	ready chan struct{}
	names []string
}

func newSharedNames() *sharedNames { return &sharedNames{ready: make(chan struct{})} }

func (s *sharedNames) read(frame []byte, delta bool, names func([]byte, bool) ([]string, error)) []string {
	s.once.Do(func() {
		var err error
		s.names, err = names(frame, delta)
		check(err)
		close(s.ready)
	})
	<-s.ready
	return s.names
}

// stream plays one sidecar.
type stream struct {
	fleet *fleet
	index int

	ready      atomic.Bool            // it has every type
	marker     atomic.Pointer[[]byte] // what the change that is measured puts into a response
	seen       atomic.Int64           // Unix nanoseconds at which the marker arrived, 0 before
	bytes      atomic.Int64
	messages   atomic.Int64
	reconnects atomic.Int64
}

// keepOpen opens a refused or broken stream again, as an Envoy does.
func (s *stream) keepOpen() {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		if err := s.run(); err != nil {
			lastError.Store(err.Error())
		}
		s.reconnects.Add(1)
		time.Sleep(wait)
	}
}

func (s *stream) node() (*core.Node, error) {
	ip := fmt.Sprintf("10.128.%d.%d", s.index/250, 1+s.index%250)
	class := s.index % s.fleet.classes
	name := fmt.Sprintf("client-%d-%d", class, s.index)
	namespace := s.fleet.namespace
	if s.fleet.namespaces > 0 {
		namespace = fmt.Sprintf("%s-%d", namespace, class%s.fleet.namespaces)
	}
	metadata, err := structpb.NewStruct(map[string]any{
		"NAMESPACE":         namespace,
		"NAME":              name,
		"LABELS":            map[string]any{"app": fmt.Sprintf("client-%d", class)},
		"ISTIO_VERSION":     "1.31.0",
		"CLUSTER_ID":        "Kubernetes",
		"INSTANCE_IPS":      ip,
		"INTERCEPTION_MODE": "REDIRECT",
	})
	id := fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.cluster.local", ip, name, namespace, namespace)
	return &core.Node{Id: id, Cluster: name, Metadata: metadata}, err
}

func (s *stream) run() error {
	client, err := grpc.NewClient(s.fleet.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.ForceCodecV2(rawCodec{})))
	if err != nil {
		return err
	}
	defer client.Close()
	method := adsMethod + "StreamAggregatedResources"
	if s.fleet.delta {
		method = adsMethod + "DeltaAggregatedResources"
	}
	wire, err := client.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	node, err := s.node()
	if err != nil {
		return err
	}

	names := map[string][]string{}
	send := func(request proto.Message) error {
		frame, err := proto.Marshal(request)
		if err != nil {
			return err
		}
		return wire.SendMsg(&frame)
	}
	subscribe := func(typeURL string, node *core.Node) error {
		if s.fleet.delta {
			return send(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names[typeURL], Node: node})
		}
		return send(&discovery.DiscoveryRequest{TypeUrl: typeURL, ResourceNames: names[typeURL], Node: node})
	}
	acknowledge := func(typeURL, version, nonce string) error {
		if s.fleet.delta {
			return send(&discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResponseNonce: nonce})
		}
		return send(&discovery.DiscoveryRequest{TypeUrl: typeURL, VersionInfo: version, ResponseNonce: nonce, ResourceNames: names[typeURL]})
	}

	if err := subscribe(cds, node); err != nil {
		return err
	}
	subscribed := map[string]bool{} // clusters whose endpoints are asked for
	answered := map[string]bool{}
	for {
		var frame []byte
		if err := wire.RecvMsg(&frame); err != nil {
			return err
		}
		now := time.Now().UnixNano()
		s.bytes.Add(int64(len(frame)))
		s.messages.Add(1)
		if marker := s.marker.Load(); marker != nil && s.seen.Load() == 0 && bytes.Contains(frame, *marker) {
			s.seen.Store(now)
		}
		typeURL, version, nonce := header(frame)
		if err := acknowledge(typeURL, version, nonce); err != nil {
			return err
		}
		if answered[typeURL] {
			if typeURL == cds && s.fleet.delta {
				if err := s.follow(frame, subscribed, send); err != nil {
					return err
				}
			}
			continue
		}
		answered[typeURL] = true
		next := ""
		switch typeURL {
		case cds:
			next = eds
			if names[eds] = s.fleet.endpointNames.read(frame, s.fleet.delta, endpointNames); len(names[eds]) == 0 {
				next = lds
			}
			for _, name := range names[eds] {
				subscribed[name] = true
			}
		case eds:
			next = lds
		case lds:
			next = rds
			if names[rds] = s.fleet.routeNames.read(frame, s.fleet.delta, routeNames); len(names[rds]) == 0 {
				next = ""
				s.ready.Store(true)
			}
		case rds:
			s.ready.Store(true)
		}
		if next != "" {
			if err := subscribe(next, nil); err != nil {
				return err
			}
		}
	}
}

// follow asks for the endpoints of clusters that are new, as an Envoy does: a server that sends routes only once their clusters are warm
// waits for that.
func (s *stream) follow(frame []byte, subscribed map[string]bool, send func(proto.Message) error) error {
	names, err := endpointNames(frame, true)
	if err != nil {
		return err
	}
	added := []string{}
	for _, name := range names {
		if !subscribed[name] {
			subscribed[name] = true
			added = append(added, name)
		}
	}
	if len(added) == 0 {
		return nil
	}
	return send(&discovery.DeltaDiscoveryRequest{TypeUrl: eds, ResourceNamesSubscribe: added})
}
