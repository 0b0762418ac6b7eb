package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// printJSON is the reference that a test holds src/proto/json.ts against. It reads {"name": FULL_NAME, "bytes": BASE64}
// objects and prints what Go's protojson makes of each, one a line.
func printJSON(files *protoregistry.Files, in io.Reader, out io.Writer) error {
	types := dynamicpb.NewTypes(files)
	for decoder := json.NewDecoder(in); ; {
		var message struct {
			Name  protoreflect.FullName
			Bytes []byte
		}
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		t, err := types.FindMessageByName(message.Name)
		if err != nil {
			return err
		}
		m := t.New().Interface()
		if err := proto.Unmarshal(message.Bytes, m); err != nil {
			return err
		}
		line, err := protojson.MarshalOptions{UseProtoNames: !hasJSONNames(message.Name), Resolver: types}.Marshal(m)
		if err != nil {
			return fmt.Errorf("%s: %w", message.Name, err)
		}
		fmt.Fprintln(out, string(line))
	}
}
