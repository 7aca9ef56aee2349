// Package steer is the policy: from the pools' health it decides what each name answers,
// and says why. It is pure: no clock, no goroutine, no input or output. What it must
// remember from one decision to the next is handed in and handed back.
package steer
