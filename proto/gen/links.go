package main

import (
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// Roots of envoy.* are linked by imports.go, which gen.sh derives from roots.txt. These have other package paths.
	_ "github.com/cncf/xds/go/udpa/type/v1"
	_ "github.com/cncf/xds/go/xds/type/matcher/v3"
	_ "github.com/cncf/xds/go/xds/type/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/http/alpn/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/http/istio_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/http/peer_metadata/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/metadata_exchange/v3"
	_ "github.com/envoyproxy/go-control-plane/contrib/envoy/extensions/filters/network/peer_metadata/v3"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
	_ "istio.io/api/extensions/v1alpha1"
	_ "istio.io/api/mesh/v1alpha1"
	_ "istio.io/api/meta/v1alpha1"
	_ "istio.io/api/networking/v1alpha3"
	_ "istio.io/api/networking/v1beta1"
	_ "istio.io/api/security/v1alpha1"
	_ "istio.io/api/security/v1beta1"
	_ "istio.io/api/telemetry/v1alpha1"
)

// nds is istio.io/istio/pkg/dns/proto/nds.proto: the one message that lives in Istio's main module, which is too large
// to depend on for it.
const nds = `
name: "nds.proto" package: "istio.networking.nds.v1" syntax: "proto3"
message_type {
  name: "NameTable"
  field { name: "table" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".istio.networking.nds.v1.NameTable.TableEntry" }
  nested_type {
    name: "NameInfo"
    field { name: "ips" number: 1 label: LABEL_REPEATED type: TYPE_STRING }
    field { name: "registry" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "shortname" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "namespace" number: 4 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "alt_hosts" number: 5 label: LABEL_REPEATED type: TYPE_STRING }
  }
  nested_type {
    name: "TableEntry"
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".istio.networking.nds.v1.NameTable.NameInfo" }
    options { map_entry: true }
  }
}`

// allFiles is every linked descriptor, and nds.
func allFiles() (*protoregistry.Files, error) {
	files := &protoregistry.Files{}
	var failed error
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		failed = files.RegisterFile(f)
		return failed == nil
	})
	if failed != nil {
		return nil, failed
	}
	var proto descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(nds), &proto); err != nil {
		return nil, err
	}
	file, err := protodesc.NewFile(&proto, files)
	if err != nil {
		return nil, err
	}
	return files, files.RegisterFile(file)
}
