// Command gen writes the part of the Envoy API and of Istio's API that a list of roots reaches as a protobufjs JSON
// descriptor, bundle.json, and what else the packages that istiod links declare as another one, extensions.json. The Go packages carry the complete descriptors; comments are left behind, and of the options all but the rules
// that Envoy checks values by (rules.go).
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Istio's configuration packages: users write these messages as YAML, so their fields carry the JSON names.
var jsonNamed = []string{
	"istio.analysis.", "istio.extensions.", "istio.mesh.", "istio.meta.", "istio.networking.v1", "istio.security.",
	"istio.telemetry.", "istio.type.",
}

type object map[string]any

type namespace struct {
	children map[string]*namespace
	leaf     object
}

type bundle struct {
	seen map[protoreflect.FullName]bool
	root *namespace
}

func main() {
	roots := flag.String("roots", "../roots.txt", "list of full names")
	packages := flag.String("packages", "../istiod-packages.txt", "list of Go packages")
	out := flag.String("out", "..", "the folder to write to")
	asJSON := flag.Bool("json", false, "print messages from standard input as JSON instead, see json.go")
	flag.Parse()
	files, err := allFiles()
	if err != nil {
		log.Fatal(err)
	}
	if *asJSON {
		if err := printJSON(files, os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	names, err := readLines(*roots)
	if err != nil {
		log.Fatal(err)
	}
	linked, err := readLines(*packages)
	if err != nil {
		log.Fatal(err)
	}
	var missing []string
	b := newBundle()
	for _, name := range names {
		d, err := files.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			missing = append(missing, name)
			continue
		}
		b.add(d)
	}
	if len(missing) > 0 {
		log.Fatalf("%s: no linked Go package has %s; see links.go", *roots, strings.Join(missing, ", "))
	}
	b.writeTo(filepath.Join(*out, "bundle.json"))
	b.rest(files, linked).writeTo(filepath.Join(*out, "extensions.json"))
}

func newBundle() *bundle {
	return &bundle{seen: map[protoreflect.FullName]bool{}, root: &namespace{children: map[string]*namespace{}}}
}

// rest is what Go packages declare and the bundle lacks.
func (b *bundle) rest(files *protoregistry.Files, packages []string) *bundle {
	more := newBundle()
	maps.Copy(more.seen, b.seen)
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		options, _ := file.Options().(*descriptorpb.FileOptions)
		path, _, _ := strings.Cut(options.GetGoPackage(), ";")
		if !slices.Contains(packages, path) {
			return true
		}
		for i := 0; i < file.Messages().Len(); i++ {
			more.add(file.Messages().Get(i))
		}
		return true
	})
	return more
}

func (b *bundle) writeTo(path string) {
	var buf bytes.Buffer
	b.root.write(&buf, "")
	buf.WriteString("\n")
	if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names, lines.Err()
}

// add takes the top-level message, enum or service that holds d, and all it refers to.
func (b *bundle) add(d protoreflect.Descriptor) {
	for {
		parent := d.Parent()
		if _, isFile := parent.(protoreflect.FileDescriptor); isFile {
			break
		}
		d = parent
	}
	if b.seen[d.FullName()] {
		return
	}
	b.seen[d.FullName()] = true
	if syntax := d.ParentFile().Syntax(); syntax != protoreflect.Proto3 {
		log.Fatalf("%s: %v is not supported by the runtime's presence rules", d.FullName(), syntax)
	}
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		b.place(d, b.message(d))
	case protoreflect.EnumDescriptor:
		b.place(d, enum(d))
	case protoreflect.ServiceDescriptor:
		b.place(d, b.service(d))
	default:
		log.Fatalf("%s: neither message, enum nor service", d.FullName())
	}
}

func (b *bundle) place(d protoreflect.Descriptor, leaf object) {
	at := b.root
	for _, part := range strings.Split(string(d.FullName()), ".") {
		next := at.children[part]
		if next == nil {
			next = &namespace{children: map[string]*namespace{}}
			at.children[part] = next
		}
		at = next
	}
	at.leaf = leaf
}

func (b *bundle) message(m protoreflect.MessageDescriptor) object {
	fields, oneofs, nested := object{}, object{}, object{}
	for i := 0; i < m.Fields().Len(); i++ {
		f := m.Fields().Get(i)
		fields[fieldName(f)] = b.field(f)
	}
	for i := 0; i < m.Oneofs().Len(); i++ {
		o := m.Oneofs().Get(i)
		var members []string
		for j := 0; j < o.Fields().Len(); j++ {
			members = append(members, fieldName(o.Fields().Get(j)))
		}
		oneof := object{"oneof": members}
		if oneofRequired(o) {
			oneof["options"] = object{"required": true}
		}
		oneofs[string(o.Name())] = oneof
	}
	for i := 0; i < m.Messages().Len(); i++ {
		if n := m.Messages().Get(i); !n.IsMapEntry() {
			nested[string(n.Name())] = b.message(n)
		}
	}
	for i := 0; i < m.Enums().Len(); i++ {
		nested[string(m.Enums().Get(i).Name())] = enum(m.Enums().Get(i))
	}
	result := object{"fields": fields}
	if len(oneofs) > 0 {
		result["oneofs"] = oneofs
	}
	if len(nested) > 0 {
		result["nested"] = nested
	}
	if unchecked(m) {
		result["options"] = object{"unchecked": true}
	}
	return result
}

func (b *bundle) field(f protoreflect.FieldDescriptor) object {
	result, options := object{"id": f.Number()}, object{}
	switch {
	case f.IsMap():
		result["keyType"] = f.MapKey().Kind().String()
		result["type"] = b.fieldType(f.MapValue())
	case f.IsList():
		result["rule"] = "repeated"
		result["type"] = b.fieldType(f)
		if packable(f.Kind()) && !f.IsPacked() {
			options["packed"] = false
		}
	default:
		result["type"] = b.fieldType(f)
		if f.HasOptionalKeyword() {
			options["proto3_optional"] = true
		}
	}
	// The reader of JSON derives one spelling of a name from the other; these options tell where that cannot work.
	name, proto, derived := fieldName(f), string(f.Name()), lowerCamel(string(f.Name()))
	if name == proto && f.JSONName() != derived {
		options["json_name"] = f.JSONName()
	}
	if name != proto && (f.JSONName() != derived || snake(name) != proto) {
		options["proto_name"] = proto
	}
	if hasJSONNames(f.FullName()) && required(f) {
		options["field_behavior"] = "REQUIRED"
	}
	if rules := fieldRules(f); len(rules) > 0 {
		options["rules"] = rules
	}
	if len(options) > 0 {
		result["options"] = options
	}
	return result
}

// required tells whether Istio's API demands the field; the CRDs do, too.
func required(f protoreflect.FieldDescriptor) bool {
	behaviors, _ := protobuf.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(behaviors, annotations.FieldBehavior_REQUIRED)
}

func (b *bundle) fieldType(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.MessageKind:
		b.add(f.Message())
		return "." + string(f.Message().FullName())
	case protoreflect.EnumKind:
		b.add(f.Enum())
		return "." + string(f.Enum().FullName())
	case protoreflect.GroupKind:
		log.Fatalf("%s: groups are not supported", f.FullName())
	}
	return f.Kind().String()
}

func (b *bundle) service(s protoreflect.ServiceDescriptor) object {
	methods := object{}
	for i := 0; i < s.Methods().Len(); i++ {
		m := s.Methods().Get(i)
		b.add(m.Input())
		b.add(m.Output())
		method := object{"requestType": "." + string(m.Input().FullName()), "responseType": "." + string(m.Output().FullName())}
		if m.IsStreamingClient() {
			method["requestStream"] = true
		}
		if m.IsStreamingServer() {
			method["responseStream"] = true
		}
		methods[string(m.Name())] = method
	}
	return object{"methods": methods}
}

// enum keeps the order of the values: of several names of one number, JSON shows the first.
func enum(e protoreflect.EnumDescriptor) object {
	var ordered []string
	numbers, alias := map[protoreflect.EnumNumber]bool{}, false
	for i := 0; i < e.Values().Len(); i++ {
		v := e.Values().Get(i)
		ordered = append(ordered, fmt.Sprintf("%q:%d", v.Name(), v.Number()))
		alias = alias || numbers[v.Number()]
		numbers[v.Number()] = true
	}
	values := json.RawMessage("{" + strings.Join(ordered, ",") + "}")
	if alias {
		return object{"values": values, "options": object{"allow_alias": true}}
	}
	return object{"values": values}
}

func fieldName(f protoreflect.FieldDescriptor) string {
	if hasJSONNames(f.FullName()) {
		return f.JSONName()
	}
	return string(f.Name())
}

func hasJSONNames(name protoreflect.FullName) bool {
	for _, prefix := range jsonNamed {
		if strings.HasPrefix(string(name), prefix) {
			return true
		}
	}
	return false
}

func packable(k protoreflect.Kind) bool {
	return k != protoreflect.StringKind && k != protoreflect.BytesKind && k != protoreflect.MessageKind
}

// lowerCamel is protoc's default of json_name.
func lowerCamel(name string) string {
	var out strings.Builder
	upper := false
	for _, r := range name {
		if r == '_' {
			upper = true
			continue
		}
		if upper {
			out.WriteString(strings.ToUpper(string(r)))
		} else {
			out.WriteRune(r)
		}
		upper = false
	}
	return out.String()
}

func snake(name string) string {
	var out strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			out.WriteByte('_')
		}
		out.WriteString(strings.ToLower(string(r)))
	}
	return out.String()
}

// write prints one top-level message, enum or service a line, so that a changed API gives a readable diff.
func (n *namespace) write(buf *bytes.Buffer, indent string) {
	if n.leaf != nil {
		if len(n.children) > 0 {
			log.Fatal("a package and a message have the same name")
		}
		line, err := json.Marshal(n.leaf)
		if err != nil {
			log.Fatal(err)
		}
		buf.Write(line)
		return
	}
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	sort.Strings(names)
	buf.WriteString("{\"nested\": {")
	for i, name := range names {
		if i > 0 {
			buf.WriteByte(',')
		}
		fmt.Fprintf(buf, "\n%s %q: ", indent, name)
		n.children[name].write(buf, indent+" ")
	}
	buf.WriteString("}}")
}
