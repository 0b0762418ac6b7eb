package main

import (
	"log"

	"github.com/envoyproxy/protoc-gen-validate/validate"
	protobuf "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fieldRules is what protoc-gen-validate is told of a field, without the level that repeats the field's type:
// {"gte": 1}, {"min_items": 1, "items": {"min_len": 1}}. Durations are numbers of seconds.
func fieldRules(f protoreflect.FieldDescriptor) object {
	rules, _ := protobuf.GetExtension(f.Options(), validate.E_Rules).(*validate.FieldRules)
	return compactRules(rules, f)
}

func compactRules(rules *validate.FieldRules, f protoreflect.FieldDescriptor) object {
	out := object{}
	if rules == nil {
		return out
	}
	rules.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, ofType protoreflect.Value) bool {
		ofType.Message().Range(func(rule protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			switch compact := ruleValue(rule, value, f).(type) {
			case object:
				if len(compact) > 0 {
					out[string(rule.Name())] = compact
				}
			default:
				out[string(rule.Name())] = compact
			}
			return true
		})
		return true
	})
	return out
}

func ruleValue(rule protoreflect.FieldDescriptor, value protoreflect.Value, f protoreflect.FieldDescriptor) any {
	if rule.IsList() {
		items := []any{}
		for i := 0; i < value.List().Len(); i++ {
			items = append(items, ruleItem(rule, value.List().Get(i), f))
		}
		return items
	}
	return ruleItem(rule, value, f)
}

func ruleItem(rule protoreflect.FieldDescriptor, value protoreflect.Value, f protoreflect.FieldDescriptor) any {
	switch rule.Kind() {
	case protoreflect.MessageKind:
		switch message := value.Message().Interface().(type) {
		case *validate.FieldRules:
			return compactRules(message, f)
		case *durationpb.Duration:
			return message.AsDuration().Seconds()
		}
		log.Fatalf("%s: the rule %s is not supported", f.FullName(), rule.FullName())
	case protoreflect.EnumKind:
		return string(rule.Enum().Values().ByNumber(value.Enum()).Name())
	case protoreflect.BytesKind:
		log.Fatalf("%s: the rule %s is not supported", f.FullName(), rule.FullName())
	}
	return value.Interface()
}

func oneofRequired(o protoreflect.OneofDescriptor) bool {
	required, _ := protobuf.GetExtension(o.Options(), validate.E_Required).(bool)
	return required
}

// unchecked tells whether the rules of a message's fields are not in force.
func unchecked(m protoreflect.MessageDescriptor) bool {
	disabled, _ := protobuf.GetExtension(m.Options(), validate.E_Disabled).(bool)
	ignored, _ := protobuf.GetExtension(m.Options(), validate.E_Ignored).(bool)
	return disabled || ignored
}
