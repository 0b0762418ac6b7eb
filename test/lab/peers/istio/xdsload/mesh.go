package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

const creators = 16

// mesh is the namespace whose objects are made and changed.
type mesh struct {
	namespace                                 string
	namespaces                                dynamic.ResourceInterface
	services, endpointSlices, virtualServices dynamic.ResourceInterface
}

// change is one kind of edit. apply makes the i-th, which shows marker in what the server sends.
type change struct {
	kind   string
	marker func(i int) string
	apply  func(i int, marker string) error
}

type object = map[string]any

func connectMesh(kubeconfig, namespace string) (*mesh, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 1000, 1000
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	resource := func(group, version, name string) dynamic.NamespaceableResourceInterface {
		return client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: name})
	}
	return &mesh{
		namespace:       namespace,
		namespaces:      resource("", "v1", "namespaces"),
		services:        resource("", "v1", "services").Namespace(namespace),
		endpointSlices:  resource("discovery.k8s.io", "v1", "endpointslices").Namespace(namespace),
		virtualServices: resource("networking.istio.io", "v1", "virtualservices").Namespace(namespace),
	}, nil
}

func serviceName(i int) string { return fmt.Sprintf("svc-%d", i) }

// ensure creates an object; one that is there already stays as it is.
func ensure(client dynamic.ResourceInterface, o object) error {
	_, err := client.Create(context.Background(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// create makes svc-0 and up, each with an HTTP port 80 and one EndpointSlice.
func (m *mesh) create(services, endpoints int) error {
	if err := ensure(m.namespaces, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": m.namespace}}); err != nil {
		return err
	}
	var wait sync.WaitGroup
	failed := make(chan error, services)
	slots := make(chan struct{}, creators)
	for i := range services {
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wait.Done() }()
			if err := ensure(m.services, service(serviceName(i), object{"name": "http", "port": int64(80), "targetPort": int64(8080)})); err != nil {
				failed <- err
			} else if err := ensure(m.endpointSlices, endpointSlice(i, endpoints)); err != nil {
				failed <- err
			}
		}()
	}
	wait.Wait()
	close(failed)
	return <-failed
}

func service(name string, port object) object {
	return object{"apiVersion": "v1", "kind": "Service", "metadata": object{"name": name}, "spec": object{"ports": []any{port}}}
}

func endpointSlice(i, endpoints int) object {
	name := serviceName(i)
	addresses := []any{}
	for e := range endpoints {
		address := fmt.Sprintf("10.%d.%d.%d", 2+e, i/250, 1+i%250)
		addresses = append(addresses, object{"addresses": []any{address}, "conditions": object{"ready": true}})
	}
	return object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": object{"name": name, "labels": object{
			"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "lab"}},
		"ports":     []any{object{"name": "http", "port": int64(8080), "protocol": "TCP"}},
		"endpoints": addresses,
	}
}

// changes are the edits that are timed, over svc-0 to svc-(services-1).
func (m *mesh) changes(services int) []change {
	ctx := context.Background()
	named := func(kind string) func(int) string {
		return func(i int) string { return fmt.Sprintf("mark-%s-%d-%d", kind, i, time.Now().UnixNano()) }
	}
	return []change{
		{
			kind: "endpoint",
			// What an earlier run has put there already would be no change: the same address comes again after 17 minutes.
			marker: func(i int) string {
				t := time.Now().UnixMilli() / 250
				return fmt.Sprintf("172.%d.%d.%d", 16+t/250%16, t%250, 1+i%250)
			},
			apply: func(i int, marker string) error {
				patch := fmt.Sprintf(`{"endpoints":[{"addresses":[%q],"conditions":{"ready":true}}]}`, marker)
				_, err := m.endpointSlices.Patch(ctx, serviceName(i%services), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
				return err
			},
		},
		{
			kind:   "route",
			marker: named("route"),
			apply: func(i int, marker string) error {
				name := serviceName(i % services)
				host := fmt.Sprintf("%s.%s.svc.cluster.local", name, m.namespace)
				o := object{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": object{"name": name, "namespace": m.namespace},
					"spec": object{"hosts": []any{host}, "http": []any{object{
						"headers": object{"request": object{"set": object{"x-mark": marker}}},
						"route":   []any{object{"destination": object{"host": host}}}}}}}
				options := metav1.ApplyOptions{FieldManager: "xdsload", Force: true}
				_, err := m.virtualServices.Apply(ctx, name, &unstructured.Unstructured{Object: o}, options)
				return err
			},
		},
		{
			kind:   "service",
			marker: named("service"),
			apply: func(_ int, marker string) error {
				return ensure(m.services, service(marker, object{"name": "http", "port": int64(80)}))
			},
		},
	}
}
