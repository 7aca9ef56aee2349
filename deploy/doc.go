// Package deploy has what the server is shipped with: packages, images, manifests, units, alerts. Its tests hold
// these files to the server and to each other. What needs the tools that read the files (Helm, Compose,
// Terraform) is in the module deploy/check: make check-deploy.
package deploy
