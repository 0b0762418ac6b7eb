package main

import (
	"fmt"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	// Registers every Envoy message that a listener may hold in an Any.
	_ "istio.io/istio/pkg/config/xds"
)

const (
	typePrefix = "type.googleapis.com/envoy.config."
	cds        = typePrefix + "cluster.v3.Cluster"
	eds        = typePrefix + "endpoint.v3.ClusterLoadAssignment"
	lds        = typePrefix + "listener.v3.Listener"
	rds        = typePrefix + "route.v3.RouteConfiguration"

	adsMethod = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
)

// rawCodec passes frames through unchanged: a client of hundreds of streams must not be slower than the server it measures.
type rawCodec struct{}

var _ encoding.CodecV2 = rawCodec{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(value any) (mem.BufferSlice, error) {
	frame, ok := value.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("not a frame: %T", value)
	}
	return mem.BufferSlice{mem.SliceBuffer(*frame)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, value any) error {
	frame, ok := value.(*[]byte)
	if !ok {
		return fmt.Errorf("not a frame: %T", value)
	}
	*frame = data.Materialize()
	return nil
}

// header reads type_url (field 4), version (1) and nonce (5) of a DiscoveryResponse or DeltaDiscoveryResponse: their numbers agree.
func header(frame []byte) (typeURL, version, nonce string) {
	for len(frame) > 0 {
		number, wireType, n := protowire.ConsumeTag(frame)
		if n < 0 {
			return
		}
		frame = frame[n:]
		if wireType != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, wireType, frame); n < 0 {
				return
			}
			frame = frame[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(frame)
		if n < 0 {
			return
		}
		frame = frame[n:]
		switch number {
		case 1:
			version = string(value)
		case 4:
			typeURL = string(value)
		case 5:
			nonce = string(value)
		}
	}
	return
}

func eachResource(frame []byte, delta bool, visit func(value []byte)) error {
	if delta {
		response := &discovery.DeltaDiscoveryResponse{}
		if err := proto.Unmarshal(frame, response); err != nil {
			return err
		}
		for _, r := range response.Resources {
			visit(r.GetResource().GetValue())
		}
		return nil
	}
	response := &discovery.DiscoveryResponse{}
	if err := proto.Unmarshal(frame, response); err != nil {
		return err
	}
	for _, r := range response.Resources {
		visit(r.Value)
	}
	return nil
}

// endpointNames are the names by which a CDS response's clusters ask for their endpoints.
func endpointNames(frame []byte, delta bool) (names []string, err error) {
	err = eachResource(frame, delta, func(value []byte) {
		c := &cluster.Cluster{}
		if proto.Unmarshal(value, c) != nil || c.GetType() != cluster.Cluster_EDS {
			return
		}
		name := c.GetEdsClusterConfig().GetServiceName()
		if name == "" {
			name = c.Name
		}
		names = append(names, name)
	})
	return
}

// routeNames are the route configurations that an LDS response's HTTP connection managers ask for.
func routeNames(frame []byte, delta bool) (names []string, err error) {
	seen := map[string]bool{}
	err = eachResource(frame, delta, func(value []byte) {
		l := &listener.Listener{}
		if proto.Unmarshal(value, l) != nil {
			return
		}
		for _, chain := range append(append([]*listener.FilterChain{}, l.FilterChains...), l.DefaultFilterChain) {
			for _, filter := range chain.GetFilters() {
				manager := &hcm.HttpConnectionManager{}
				if filter.GetTypedConfig() == nil || filter.GetTypedConfig().UnmarshalTo(manager) != nil {
					continue
				}
				if name := manager.GetRds().GetRouteConfigName(); name != "" && !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	})
	return
}
