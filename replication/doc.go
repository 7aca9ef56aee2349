// Package replication judges how far the copies of a DynamoDB global table are behind each other.
//
// Each region of a [Group] has an item, its heartbeat, that is written through the region's own endpoint
// every interval and read through those of all others. What was written when, and when it was seen where,
// makes a matrix of lags. A region is judged by its row and its column.
package replication
