// xdsdump is a neutral ADS client. It connects to a control plane as one proxy, walks the types in the order in which an Envoy asks for
// them (CDS, the EDS that CDS names, LDS, the RDS that LDS names; NDS and SDS when asked) and writes every resource as proto3 JSON with
// proto field names: {"cds": {"type": …, "version": …, "resources": {NAME: {…}}}, "eds": …}.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

func main() {
	address := flag.String("addr", "127.0.0.1:15010", "plaintext ADS address")
	nodeFile := flag.String("node", "", "file with the Node message as proto JSON; replaces -id, -meta and -locality")
	id := flag.String("id", "sidecar~10.1.0.5~client.default~default.svc.cluster.local", "node id: type~ip~name.namespace~domain")
	metadata := flag.String("meta", "{}", "node metadata as JSON")
	locality := flag.String("locality", "", "region/zone/subzone")
	delta := flag.Bool("delta", false, "incremental xDS instead of state of the world")
	out := flag.String("out", "-", "output file, - for standard output")
	secrets := flag.String("sds", "", "comma-separated names of secrets to ask for")
	nameTable := flag.Bool("nds", false, "ask for Istio's DNS name table too")
	timeout := flag.Duration("timeout", 10*time.Second, "longest wait for one type")
	flag.Parse()

	node, err := readNode(*nodeFile, *id, *metadata, *locality)
	check(err)
	connection, err := connect(context.Background(), *address, *delta, node)
	check(err)

	dumps := map[string]*dump{}
	fetch := func(name string, resources []string) *dump {
		d := connection.fetch(typeURLs[name], resources, *timeout)
		dumps[name] = d
		return d
	}
	if names := endpointNames(fetch("cds", nil)); len(names) > 0 {
		fetch("eds", names)
	}
	if names := routeNames(fetch("lds", nil)); len(names) > 0 {
		fetch("rds", names)
	}
	if *nameTable {
		fetch("nds", nil)
	}
	if *secrets != "" {
		fetch("sds", strings.Split(*secrets, ","))
	}

	written, err := json.MarshalIndent(dumps, "", " ")
	check(err)
	if *out == "-" {
		fmt.Println(string(written))
	} else {
		check(os.WriteFile(*out, written, 0o644))
	}
	for _, name := range order {
		if d := dumps[name]; d != nil {
			fmt.Fprintf(os.Stderr, "%s: %d resources, %d bytes, %d ms %s\n", name, len(d.Resources), d.Bytes, d.Millis, d.Error)
		}
	}
}

func readNode(file, id, metadata, locality string) (*core.Node, error) {
	node := &core.Node{}
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		return node, protojson.Unmarshal(content, node)
	}
	fields := map[string]any{}
	if err := json.Unmarshal([]byte(metadata), &fields); err != nil {
		return nil, fmt.Errorf("-meta: %w", err)
	}
	value, err := structpb.NewStruct(fields)
	if err != nil {
		return nil, fmt.Errorf("-meta: %w", err)
	}
	node.Id, node.Metadata, node.UserAgentName = id, value, "envoy"
	if parts := strings.Split(id, "~"); len(parts) > 2 {
		node.Cluster = parts[2]
	}
	if locality != "" {
		parts := append(strings.Split(locality, "/"), "", "")
		node.Locality = &core.Locality{Region: parts[0], Zone: parts[1], SubZone: parts[2]}
	}
	return node, nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "xdsdump:", err)
		os.Exit(1)
	}
}
