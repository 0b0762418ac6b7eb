//go:build tools

// Package kwok pins the program that makes scheduled pods Running and Ready without a kubelet.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
