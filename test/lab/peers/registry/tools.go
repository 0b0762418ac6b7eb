//go:build tools

// Package registry pins the registry from which the cluster's node pulls its images.
package registry

import _ "github.com/distribution/distribution/v3/cmd/registry"
