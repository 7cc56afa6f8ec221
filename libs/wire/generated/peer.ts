/** Made by `npm run proto` from proto/peer.proto: not for editing. */
export const peerDescriptor: object = {
 "nested": {
  "maru": {
   "nested": {
    "peer": {
     "nested": {
      "v1": {
       "nested": {
        "Peer": {
         "methods": {
          "Link": {
           "requestType": "Envelope",
           "requestStream": true,
           "responseType": "Envelope",
           "responseStream": true
          }
         }
        },
        "Envelope": {
         "fields": {
          "frames": {
           "rule": "repeated",
           "type": "Frame",
           "id": 1
          }
         }
        },
        "Frame": {
         "fields": {
          "kind": {
           "type": "Kind",
           "id": 1
          },
          "call": {
           "type": "uint32",
           "id": 2
          },
          "method": {
           "type": "string",
           "id": 3
          },
          "timeoutMs": {
           "type": "uint32",
           "id": 4,
           "protoName": "timeout_ms"
          },
          "creditBytes": {
           "type": "uint32",
           "id": 5,
           "protoName": "credit_bytes"
          },
          "tableEpoch": {
           "type": "uint64",
           "id": 6,
           "protoName": "table_epoch"
          },
          "traceparent": {
           "type": "string",
           "id": 7
          },
          "tenant": {
           "type": "string",
           "id": 8
          },
          "payload": {
           "type": "bytes",
           "id": 15
          }
         },
         "nested": {
          "Kind": {
           "values": {
            "NONE": 0,
            "HELLO": 1,
            "WELCOME": 2,
            "PROOF": 3,
            "REQUEST": 4,
            "CANCEL": 5,
            "CREDIT": 6,
            "ITEM": 7,
            "END": 8,
            "FAILURE": 9
           }
          }
         }
        },
        "Hello": {
         "fields": {
          "protocolVersion": {
           "type": "uint32",
           "id": 1,
           "protoName": "protocol_version"
          },
          "clusterId": {
           "type": "string",
           "id": 2,
           "protoName": "cluster_id"
          },
          "instance": {
           "type": "string",
           "id": 3
          },
          "zone": {
           "type": "string",
           "id": 4
          },
          "nonce": {
           "type": "bytes",
           "id": 5
          }
         }
        },
        "Welcome": {
         "fields": {
          "protocolVersion": {
           "type": "uint32",
           "id": 1,
           "protoName": "protocol_version"
          },
          "clusterId": {
           "type": "string",
           "id": 2,
           "protoName": "cluster_id"
          },
          "instance": {
           "type": "string",
           "id": 3
          },
          "zone": {
           "type": "string",
           "id": 4
          },
          "nonce": {
           "type": "bytes",
           "id": 5
          },
          "proof": {
           "type": "bytes",
           "id": 6
          },
          "windowBytes": {
           "type": "uint32",
           "id": 7,
           "protoName": "window_bytes"
          }
         }
        },
        "Proof": {
         "fields": {
          "proof": {
           "type": "bytes",
           "id": 1
          }
         }
        },
        "CallFailure": {
         "fields": {
          "kind": {
           "type": "string",
           "id": 1
          },
          "message": {
           "type": "string",
           "id": 2
          },
          "retryAfterSeconds": {
           "type": "double",
           "id": 3,
           "protoName": "retry_after_seconds"
          }
         }
        },
        "PushRequest": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "receiveTimeMs": {
           "type": "double",
           "id": 2,
           "protoName": "receive_time_ms"
          },
          "seriesCount": {
           "type": "uint32",
           "id": 3,
           "protoName": "series_count"
          },
          "labelBytes": {
           "type": "bytes",
           "id": 4,
           "protoName": "label_bytes"
          },
          "labelLengths": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 5,
           "protoName": "label_lengths"
          },
          "sampleCounts": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 6,
           "protoName": "sample_counts"
          },
          "lowestT": {
           "type": "double",
           "id": 7,
           "protoName": "lowest_t"
          },
          "tOffsets": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 8,
           "protoName": "t_offsets"
          },
          "sampleT": {
           "rule": "repeated",
           "type": "double",
           "id": 9,
           "protoName": "sample_t"
          },
          "sampleV": {
           "rule": "repeated",
           "type": "double",
           "id": 10,
           "protoName": "sample_v"
          },
          "sampleSt": {
           "rule": "repeated",
           "type": "double",
           "id": 11,
           "protoName": "sample_st"
          },
          "histograms": {
           "rule": "repeated",
           "type": "HistogramRow",
           "id": 12
          },
          "exemplars": {
           "rule": "repeated",
           "type": "ExemplarRow",
           "id": 13
          },
          "metadata": {
           "rule": "repeated",
           "type": "MetadataEntry",
           "id": 14
          },
          "refs": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 20
          },
          "refEpoch": {
           "type": "fixed32",
           "id": 21,
           "protoName": "ref_epoch"
          }
         }
        },
        "HistogramRow": {
         "fields": {
          "series": {
           "type": "uint32",
           "id": 1
          },
          "t": {
           "type": "double",
           "id": 2
          },
          "st": {
           "type": "double",
           "id": 3
          },
          "integer": {
           "type": "bool",
           "id": 4
          },
          "stale": {
           "type": "bool",
           "id": 5
          },
          "resetHint": {
           "type": "uint32",
           "id": 6,
           "protoName": "reset_hint"
          },
          "schema": {
           "type": "sint32",
           "id": 7
          },
          "zeroThreshold": {
           "type": "double",
           "id": 8,
           "protoName": "zero_threshold"
          },
          "zeroCount": {
           "type": "double",
           "id": 9,
           "protoName": "zero_count"
          },
          "count": {
           "type": "double",
           "id": 10
          },
          "sum": {
           "type": "double",
           "id": 11
          },
          "positiveSpans": {
           "rule": "repeated",
           "type": "sfixed32",
           "id": 12,
           "protoName": "positive_spans"
          },
          "negativeSpans": {
           "rule": "repeated",
           "type": "sfixed32",
           "id": 13,
           "protoName": "negative_spans"
          },
          "positiveBuckets": {
           "rule": "repeated",
           "type": "double",
           "id": 14,
           "protoName": "positive_buckets"
          },
          "negativeBuckets": {
           "rule": "repeated",
           "type": "double",
           "id": 15,
           "protoName": "negative_buckets"
          },
          "customValues": {
           "rule": "repeated",
           "type": "double",
           "id": 16,
           "protoName": "custom_values"
          }
         }
        },
        "ExemplarRow": {
         "fields": {
          "series": {
           "type": "uint32",
           "id": 1
          },
          "t": {
           "type": "double",
           "id": 2
          },
          "value": {
           "type": "double",
           "id": 3
          },
          "labels": {
           "type": "bytes",
           "id": 4
          }
         }
        },
        "MetadataEntry": {
         "fields": {
          "metric": {
           "type": "string",
           "id": 1
          },
          "type": {
           "type": "uint32",
           "id": 2
          },
          "help": {
           "type": "string",
           "id": 3
          },
          "unit": {
           "type": "string",
           "id": 4
          }
         }
        },
        "PushReply": {
         "fields": {
          "refEpoch": {
           "type": "fixed32",
           "id": 1,
           "protoName": "ref_epoch"
          },
          "refs": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 2
          },
          "rejected": {
           "rule": "repeated",
           "type": "RejectedRow",
           "id": 3
          },
          "exemplarsDropped": {
           "type": "uint32",
           "id": 4,
           "protoName": "exemplars_dropped"
          },
          "staleRefs": {
           "type": "bool",
           "id": 5,
           "protoName": "stale_refs"
          }
         }
        },
        "RejectedRow": {
         "fields": {
          "series": {
           "type": "uint32",
           "id": 1
          },
          "reason": {
           "type": "string",
           "id": 2
          },
          "samples": {
           "type": "uint32",
           "id": 3
          },
          "histograms": {
           "type": "uint32",
           "id": 4
          },
          "exemplars": {
           "type": "uint32",
           "id": 5
          }
         }
        },
        "Matcher": {
         "fields": {
          "type": {
           "type": "string",
           "id": 1
          },
          "name": {
           "type": "bytes",
           "id": 2
          },
          "value": {
           "type": "bytes",
           "id": 3
          },
          "matched": {
           "type": "MatchedValues",
           "id": 4
          }
         }
        },
        "MatchedValues": {
         "fields": {
          "values": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          }
         }
        },
        "Selector": {
         "fields": {
          "matchers": {
           "rule": "repeated",
           "type": "Matcher",
           "id": 1
          }
         }
        },
        "SelectRequest": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "matchers": {
           "rule": "repeated",
           "type": "Matcher",
           "id": 2
          },
          "minT": {
           "type": "double",
           "id": 3,
           "protoName": "min_t"
          },
          "maxT": {
           "type": "double",
           "id": 4,
           "protoName": "max_t"
          },
          "blocks": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          },
          "shard": {
           "type": "Shard",
           "id": 6
          },
          "projection": {
           "type": "Projection",
           "id": 7
          }
         }
        },
        "Projection": {
         "fields": {
          "names": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          }
         }
        },
        "Shard": {
         "fields": {
          "index": {
           "type": "uint32",
           "id": 1
          },
          "count": {
           "type": "uint32",
           "id": 2
          },
          "names": {
           "rule": "repeated",
           "type": "string",
           "id": 3
          },
          "without": {
           "type": "bool",
           "id": 4
          }
         }
        },
        "SelectPiece": {
         "fields": {
          "strings": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          },
          "labelBegin": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 2,
           "protoName": "label_begin"
          },
          "labelRefs": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 3,
           "protoName": "label_refs"
          },
          "warnings": {
           "rule": "repeated",
           "type": "string",
           "id": 4
          },
          "labelsEnd": {
           "type": "bool",
           "id": 5,
           "protoName": "labels_end"
          },
          "batch": {
           "type": "ChunkBatch",
           "id": 6
          },
          "labelSet": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 7,
           "protoName": "label_set"
          }
         }
        },
        "ChunkBatch": {
         "fields": {
          "firstSeries": {
           "type": "uint32",
           "id": 1,
           "protoName": "first_series"
          },
          "chunkBegin": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 2,
           "protoName": "chunk_begin"
          },
          "encoding": {
           "type": "bytes",
           "id": 3
          },
          "minT": {
           "rule": "repeated",
           "type": "double",
           "id": 4,
           "protoName": "min_t"
          },
          "maxT": {
           "rule": "repeated",
           "type": "double",
           "id": 5,
           "protoName": "max_t"
          },
          "byteBegin": {
           "rule": "repeated",
           "type": "fixed32",
           "id": 6,
           "protoName": "byte_begin"
          },
          "bytes": {
           "type": "bytes",
           "id": 7
          }
         }
        },
        "LabelRequest": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "name": {
           "type": "string",
           "id": 2
          },
          "selectors": {
           "rule": "repeated",
           "type": "Selector",
           "id": 3
          },
          "minT": {
           "type": "double",
           "id": 4,
           "protoName": "min_t"
          },
          "maxT": {
           "type": "double",
           "id": 5,
           "protoName": "max_t"
          },
          "limit": {
           "type": "int64",
           "id": 6
          },
          "blocks": {
           "rule": "repeated",
           "type": "string",
           "id": 7
          }
         }
        },
        "MetadataRequest": {
         "oneofs": {
          "_metric": {
           "oneof": [
            "metric"
           ]
          }
         },
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "metric": {
           "type": "string",
           "id": 2,
           "options": {
            "proto3_optional": true
           }
          },
          "limit": {
           "type": "int64",
           "id": 3
          },
          "limitPerMetric": {
           "type": "int64",
           "id": 4,
           "protoName": "limit_per_metric"
          }
         }
        },
        "ListPiece": {
         "fields": {
          "texts": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          },
          "series": {
           "rule": "repeated",
           "type": "Labels",
           "id": 2
          },
          "exemplars": {
           "rule": "repeated",
           "type": "ExemplarSeries",
           "id": 3
          },
          "metadata": {
           "rule": "repeated",
           "type": "MetadataEntry",
           "id": 4
          },
          "warnings": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          }
         }
        },
        "ReadsPiece": {
         "fields": {
          "reads": {
           "type": "BlockReads",
           "id": 9
          }
         }
        },
        "BlockReads": {
         "fields": {
          "blocks": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          },
          "requests": {
           "type": "double",
           "id": 2
          },
          "bytes": {
           "type": "double",
           "id": 3
          },
          "cachedBytes": {
           "type": "double",
           "id": 4,
           "protoName": "cached_bytes"
          }
         }
        },
        "Labels": {
         "fields": {
          "pairs": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          }
         }
        },
        "ExemplarSeries": {
         "fields": {
          "labels": {
           "type": "Labels",
           "id": 1
          },
          "exemplars": {
           "rule": "repeated",
           "type": "Exemplar",
           "id": 2
          }
         }
        },
        "Exemplar": {
         "fields": {
          "labels": {
           "type": "Labels",
           "id": 1
          },
          "value": {
           "type": "double",
           "id": 2
          },
          "timestampMs": {
           "type": "double",
           "id": 3,
           "protoName": "timestamp_ms"
          }
         }
        },
        "AppliedRequest": {
         "fields": {
          "offset": {
           "type": "double",
           "id": 1
          },
          "timeoutMs": {
           "type": "double",
           "id": 2,
           "protoName": "timeout_ms"
          }
         }
        },
        "AppliedReply": {
         "fields": {
          "offset": {
           "type": "double",
           "id": 1
          }
         }
        },
        "RingEpochReply": {
         "fields": {
          "heldFromMs": {
           "type": "double",
           "id": 1,
           "protoName": "held_from_ms"
          }
         }
        },
        "HeadStatusRequest": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "countMax": {
           "type": "uint32",
           "id": 2,
           "protoName": "count_max"
          }
         }
        },
        "HeadStatus": {
         "oneofs": {
          "_minT": {
           "oneof": [
            "minT"
           ]
          },
          "_maxT": {
           "oneof": [
            "maxT"
           ]
          }
         },
         "fields": {
          "series": {
           "type": "double",
           "id": 1
          },
          "labelPairs": {
           "type": "double",
           "id": 2,
           "protoName": "label_pairs"
          },
          "chunks": {
           "type": "double",
           "id": 3
          },
          "minT": {
           "type": "double",
           "id": 4,
           "protoName": "min_t",
           "options": {
            "proto3_optional": true
           }
          },
          "maxT": {
           "type": "double",
           "id": 5,
           "protoName": "max_t",
           "options": {
            "proto3_optional": true
           }
          },
          "seriesByMetric": {
           "rule": "repeated",
           "type": "CountedName",
           "id": 6,
           "protoName": "series_by_metric"
          },
          "valuesByLabel": {
           "rule": "repeated",
           "type": "CountedName",
           "id": 7,
           "protoName": "values_by_label"
          },
          "bytesByLabel": {
           "rule": "repeated",
           "type": "CountedName",
           "id": 8,
           "protoName": "bytes_by_label"
          },
          "seriesByPair": {
           "rule": "repeated",
           "type": "CountedName",
           "id": 9,
           "protoName": "series_by_pair"
          }
         }
        },
        "CountedName": {
         "fields": {
          "name": {
           "type": "string",
           "id": 1
          },
          "count": {
           "type": "double",
           "id": 2
          }
         }
        },
        "WriteMarksRequest": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "minT": {
           "rule": "repeated",
           "type": "double",
           "id": 2,
           "protoName": "min_t"
          },
          "maxT": {
           "rule": "repeated",
           "type": "double",
           "id": 3,
           "protoName": "max_t"
          }
         }
        },
        "WriteMarks": {
         "fields": {
          "run": {
           "type": "fixed32",
           "id": 1
          },
          "writes": {
           "rule": "repeated",
           "type": "double",
           "id": 2
          }
         }
        },
        "TakeRequest": {
         "fields": {
          "lane": {
           "type": "string",
           "id": 1
          },
          "spares": {
           "type": "uint32",
           "id": 2
          }
         }
        },
        "QueryWork": {
         "fields": {
          "id": {
           "type": "uint32",
           "id": 1
          },
          "timeoutMs": {
           "type": "double",
           "id": 2,
           "protoName": "timeout_ms"
          },
          "call": {
           "type": "CallWork",
           "id": 3
          },
          "part": {
           "type": "PartWork",
           "id": 4
          },
          "check": {
           "type": "CheckWork",
           "id": 5
          },
          "traceparent": {
           "type": "string",
           "id": 6
          }
         }
        },
        "CallWork": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "path": {
           "type": "string",
           "id": 2
          },
          "form": {
           "type": "string",
           "id": 3
          },
          "labelName": {
           "type": "string",
           "id": 4,
           "protoName": "label_name"
          },
          "body": {
           "type": "bytes",
           "id": 5
          },
          "accept": {
           "type": "string",
           "id": 6
          },
          "gzip": {
           "type": "bool",
           "id": 7
          },
          "consistency": {
           "type": "string",
           "id": 8
          }
         }
        },
        "PartWork": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "query": {
           "type": "string",
           "id": 2
          },
          "startMs": {
           "type": "double",
           "id": 3,
           "protoName": "start_ms"
          },
          "endMs": {
           "type": "double",
           "id": 4,
           "protoName": "end_ms"
          },
          "stepMs": {
           "type": "double",
           "id": 5,
           "protoName": "step_ms"
          },
          "wholeStartMs": {
           "type": "double",
           "id": 6,
           "protoName": "whole_start_ms"
          },
          "wholeEndMs": {
           "type": "double",
           "id": 7,
           "protoName": "whole_end_ms"
          },
          "lookbackMs": {
           "type": "double",
           "id": 8,
           "protoName": "lookback_ms"
          },
          "shard": {
           "type": "Shard",
           "id": 9
          },
          "weighing": {
           "type": "Weighing",
           "id": 10
          },
          "sorted": {
           "type": "bool",
           "id": 11
          }
         }
        },
        "Weighing": {
         "fields": {
          "weightMax": {
           "type": "double",
           "id": 1,
           "protoName": "weight_max"
          },
          "names": {
           "rule": "repeated",
           "type": "string",
           "id": 2
          },
          "without": {
           "type": "bool",
           "id": 3
          }
         }
        },
        "HeavySelection": {
         "fields": {
          "weight": {
           "type": "double",
           "id": 1
          },
          "series": {
           "type": "uint32",
           "id": 2
          },
          "largestGroup": {
           "type": "uint32",
           "id": 3,
           "protoName": "largest_group"
          },
          "sorted": {
           "type": "bool",
           "id": 4
          }
         }
        },
        "PartAnswer": {
         "fields": {
          "series": {
           "rule": "repeated",
           "type": "PartSeries",
           "id": 1
          },
          "annotations": {
           "rule": "repeated",
           "type": "PartAnnotation",
           "id": 2
          },
          "sourceWarnings": {
           "rule": "repeated",
           "type": "string",
           "id": 3,
           "protoName": "source_warnings"
          },
          "witness": {
           "type": "string",
           "id": 4
          },
          "heavy": {
           "type": "HeavySelection",
           "id": 5
          },
          "sharded": {
           "type": "bool",
           "id": 6
          }
         }
        },
        "CheckWork": {
         "fields": {
          "tenant": {
           "type": "string",
           "id": 1
          },
          "witnesses": {
           "rule": "repeated",
           "type": "string",
           "id": 2
          }
         }
        },
        "PartSeries": {
         "fields": {
          "pairs": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          },
          "steps": {
           "type": "bytes",
           "id": 2
          },
          "values": {
           "type": "bytes",
           "id": 3
          },
          "histogramSteps": {
           "type": "bytes",
           "id": 4,
           "protoName": "histogram_steps"
          },
          "histograms": {
           "rule": "repeated",
           "type": "PartHistogram",
           "id": 5
          }
         }
        },
        "PartHistogram": {
         "fields": {
          "integer": {
           "type": "bool",
           "id": 1
          },
          "resetHint": {
           "type": "uint32",
           "id": 2,
           "protoName": "reset_hint"
          },
          "schema": {
           "type": "sint32",
           "id": 3
          },
          "zeroThreshold": {
           "type": "double",
           "id": 4,
           "protoName": "zero_threshold"
          },
          "zeroCount": {
           "type": "double",
           "id": 5,
           "protoName": "zero_count"
          },
          "count": {
           "type": "double",
           "id": 6
          },
          "sum": {
           "type": "double",
           "id": 7
          },
          "positiveSpans": {
           "rule": "repeated",
           "type": "sint32",
           "id": 8,
           "protoName": "positive_spans"
          },
          "negativeSpans": {
           "rule": "repeated",
           "type": "sint32",
           "id": 9,
           "protoName": "negative_spans"
          },
          "positiveBuckets": {
           "rule": "repeated",
           "type": "double",
           "id": 10,
           "protoName": "positive_buckets"
          },
          "negativeBuckets": {
           "rule": "repeated",
           "type": "double",
           "id": 11,
           "protoName": "negative_buckets"
          },
          "customValues": {
           "rule": "repeated",
           "type": "double",
           "id": 12,
           "protoName": "custom_values"
          }
         }
        },
        "PartAnnotation": {
         "fields": {
          "level": {
           "type": "string",
           "id": 1
          },
          "text": {
           "type": "string",
           "id": 2
          },
          "detail": {
           "type": "string",
           "id": 3
          },
          "start": {
           "type": "uint32",
           "id": 4
          },
          "order": {
           "type": "uint32",
           "id": 5
          }
         }
        },
        "WorkAnswer": {
         "fields": {
          "id": {
           "type": "uint32",
           "id": 1
          },
          "head": {
           "type": "WorkHead",
           "id": 2
          },
          "piece": {
           "type": "bytes",
           "id": 3
          },
          "last": {
           "type": "bool",
           "id": 4
          },
          "failure": {
           "type": "CallFailure",
           "id": 5
          }
         }
        },
        "WorkHead": {
         "fields": {
          "httpStatus": {
           "type": "uint32",
           "id": 1,
           "protoName": "http_status"
          },
          "contentType": {
           "type": "string",
           "id": 2,
           "protoName": "content_type"
          },
          "headers": {
           "rule": "repeated",
           "type": "string",
           "id": 3
          },
          "gzip": {
           "type": "bool",
           "id": 4
          },
          "hasBody": {
           "type": "bool",
           "id": 5,
           "protoName": "has_body"
          },
          "retryAfterSeconds": {
           "type": "double",
           "id": 6,
           "protoName": "retry_after_seconds"
          }
         }
        }
       }
      }
     }
    }
   }
  }
 }
};
