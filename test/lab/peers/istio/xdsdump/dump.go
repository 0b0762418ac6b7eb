package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	// Registers every message that istiod may put into an Any, and its name table.
	_ "github.com/cncf/xds/go/udpa/type/v1"
	_ "github.com/cncf/xds/go/xds/type/v3"
	_ "istio.io/api/envoy/extensions/stats"
	_ "istio.io/istio/pkg/config/xds"
	_ "istio.io/istio/pkg/dns/proto"
)

const typePrefix = "type.googleapis.com/"

// order is that of the report; typeURLs are keyed by the names of Envoy's discovery services.
var order = []string{"cds", "eds", "lds", "rds", "nds", "sds"}

var typeURLs = map[string]string{
	"cds": typePrefix + "envoy.config.cluster.v3.Cluster",
	"eds": typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment",
	"lds": typePrefix + "envoy.config.listener.v3.Listener",
	"rds": typePrefix + "envoy.config.route.v3.RouteConfiguration",
	"nds": typePrefix + "istio.networking.nds.v1.NameTable",
	"sds": typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret",
}

// nameTableName stands for the one resource that has no name.
const nameTableName = "nameTable"

// dump is what was received of one type.
type dump struct {
	Type      string               `json:"type"`
	Version   string               `json:"version"`
	Resources map[string]*resource `json:"resources"`
	Bytes     int                  `json:"bytes"`
	Millis    int64                `json:"millis"`
	Error     string               `json:"err,omitempty"`
}

// resource is a decoded message; one that could not be decoded has the reason in its place.
type resource struct {
	message proto.Message
	problem string
}

func (r *resource) MarshalJSON() ([]byte, error) {
	if r.problem != "" {
		return json.Marshal(r.problem)
	}
	return protojson.MarshalOptions{UseProtoNames: true}.Marshal(r.message)
}

func (d *dump) add(r *response) {
	d.Version = r.version
	d.Bytes += r.size
	for _, packed := range r.resources {
		name, decoded := decode(packed, len(d.Resources))
		if _, taken := d.Resources[name]; taken {
			name = fmt.Sprintf("%s#dup%d", name, len(d.Resources))
		}
		d.Resources[name] = decoded
	}
}

func decode(packed *anypb.Any, index int) (string, *resource) {
	message, err := packed.UnmarshalNew()
	if err != nil {
		return fmt.Sprintf("#%d", index), &resource{problem: "undecodable: " + err.Error()}
	}
	name := nameTableName
	switch m := message.(type) {
	case *endpoint.ClusterLoadAssignment:
		name = m.ClusterName
	case interface{ GetName() string }:
		name = m.GetName()
	}
	if _, err := protojson.Marshal(message); err != nil { // an unknown type inside an Any
		return name, &resource{problem: "not expressible as JSON: " + err.Error()}
	}
	return name, &resource{message: message}
}

// endpointNames are the names by which the clusters ask for their endpoints.
func endpointNames(clusters *dump) []string {
	names := map[string]bool{}
	for _, r := range clusters.Resources {
		if c, ok := r.message.(*cluster.Cluster); ok && c.GetType() == cluster.Cluster_EDS {
			name := c.GetEdsClusterConfig().GetServiceName()
			if name == "" {
				name = c.Name
			}
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// routeNames are the route configurations that the listeners' HTTP connection managers ask for.
func routeNames(listeners *dump) []string {
	names := map[string]bool{}
	for _, r := range listeners.Resources {
		l, ok := r.message.(*listener.Listener)
		if !ok {
			continue
		}
		for _, chain := range append(slices.Clone(l.FilterChains), l.DefaultFilterChain) {
			for _, filter := range chain.GetFilters() {
				manager := &hcm.HttpConnectionManager{}
				if filter.GetTypedConfig() == nil || filter.GetTypedConfig().UnmarshalTo(manager) != nil {
					continue
				}
				if name := manager.GetRds().GetRouteConfigName(); name != "" {
					names[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
