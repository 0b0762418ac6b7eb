// Command patchvalue says what istiod makes of the values of EnvoyFilters' patches. It reads {"applyTo": "CLUSTER", "value": {…}}
// objects from standard input and prints one line for each: {"json": …} with the message that istiod's translation takes, as
// protojson with proto names, or {"error": "…"}; "warning" is what its strict reader says beyond that.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	// istiod links these by other ways than its list of Envoy's packages.
	_ "github.com/cncf/xds/go/udpa/type/v1"
	_ "github.com/cncf/xds/go/xds/type/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config/xds"
)

type input struct {
	ApplyTo string          `json:"applyTo"`
	Value   json.RawMessage `json:"value"`
}

type output struct {
	JSON    json.RawMessage `json:"json,omitempty"`
	Error   string          `json:"error,omitempty"`
	Warning string          `json:"warning,omitempty"`
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for decoder := json.NewDecoder(os.Stdin); ; {
		var in input
		if err := decoder.Decode(&in); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(read(in)); err != nil {
			log.Fatal(err)
		}
	}
}

func read(in input) output {
	value := &structpb.Struct{}
	if err := protojson.Unmarshal(in.Value, value); err != nil {
		log.Fatalf("%s: %v", in.Value, err)
	}
	applyTo := networking.EnvoyFilter_ApplyTo(networking.EnvoyFilter_ApplyTo_value[in.ApplyTo])
	message, err := xds.BuildXDSObjectFromStruct(applyTo, value, false)
	if err != nil {
		return output{Error: err.Error()}
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		return output{Error: err.Error()}
	}
	result := output{JSON: text}
	if _, err := xds.BuildXDSObjectFromStruct(applyTo, value, true); err != nil {
		result.Warning = err.Error()
	}
	return result
}
