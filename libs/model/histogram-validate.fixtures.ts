/** Verdicts of Prometheus 3.15's Validate on random broken histograms, the smallest for each. Texts for parseHistogramSamples. */
export const validationFixtures: readonly { integer: boolean; histogram: string; problem: string | null }[] = [
  {
    integer: true,
    histogram: '0,0,1,1,3fd0000000000000,0000000000000000,4022000000000000,40603a8293c9c0d4,,,,,',
    problem:
      "0 observations found in buckets, but the Count field is 9: histogram's observation count should equa" +
      'l the number of observations found in the buckets (in absence of NaN)',
  },
  {
    integer: true,
    histogram: '0,0,2,6,255bba08cf8c979d,4010000000000000,3ff0000000000000,7ff8000000000001,,,,,',
    problem:
      "4 observations found in buckets, but the Count field is 1: histogram's observation count should be a" +
      't least the number of observations found in the buckets',
  },
  {
    integer: false,
    histogram: '0,0,2,8,0000000000000000,0000000000000000,bff0000000000000,c0457bdf644b741a,,,,,',
    problem: "observation count is  -1: histogram's observation count is negative",
  },
  {
    integer: false,
    histogram: '0,0,3,5,4000000000000000,0000000000000000,0000000000000000,4060c52f10f7c098,,,,,',
    problem: null,
  },
  {
    integer: true,
    histogram: '0,0,3,5,4000000000000000,0000000000000000,0000000000000000,4060c52f10f7c098,,,,,',
    problem: null,
  },
  {
    integer: false,
    histogram:
      '0,0,2,-53,0000000000000000,0000000000000000,4039000000000000,403261a7a5ff8452,1/2,,4039000000000000 ' +
      '0000000000000000,,c014000000000000 7ff8000000000001',
    problem: 'custom buckets: histogram custom bounds must not be NaN',
  },
  {
    integer: true,
    histogram:
      '0,0,2,-53,0000000000000000,0000000000000000,4039000000000000,7ff8000000000001,1/2,,4039000000000000 ' +
      '0000000000000000,,c014000000000000 7ff8000000000001',
    problem: 'custom buckets: histogram custom bounds must not be NaN',
  },
  {
    integer: false,
    histogram:
      '0,0,0,-53,0000000000000000,0000000000000000,4054800000000000,c065805c74be9835,1/1 1/1,,4054800000000' +
      '000 0000000000000000,,0000000000000000 3fe0000000000000 4000000000000000 7ff0000000000000',
    problem:
      'custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be fini' + 'te',
  },
  {
    integer: true,
    histogram:
      '0,0,0,-53,0000000000000000,0000000000000000,4054800000000000,c065805c74be9835,1/1 1/1,,4054800000000' +
      '000 0000000000000000,,0000000000000000 3fe0000000000000 4000000000000000 7ff0000000000000',
    problem:
      'custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be fini' + 'te',
  },
  {
    integer: false,
    histogram: '0,0,3,-53,3f847ae147ae147b,401c000000000000,401c000000000000,4072b7ebfd582337,,,,,',
    problem: 'custom buckets: must have zero count of 0',
  },
  {
    integer: true,
    histogram: '0,0,3,-53,3f847ae147ae147b,401c000000000000,401c000000000000,4072b7ebfd582337,,,,,',
    problem: 'custom buckets: must have zero count of 0',
  },
  {
    integer: false,
    histogram: '0,0,1,-53,3ff0000000000000,0000000000000000,0000000000000000,c0450106ce50cf8e,,-6/0,,,',
    problem: 'custom buckets: must have zero threshold of 0',
  },
  {
    integer: true,
    histogram: '0,0,1,-53,3ff0000000000000,0000000000000000,0000000000000000,c0450106ce50cf8e,,-6/0,,,',
    problem: 'custom buckets: must have zero threshold of 0',
  },
  {
    integer: false,
    histogram: '0,0,1,-53,4000000000000000,4022000000000000,4022000000000000,403030ab296db256,8/0,,,,',
    problem:
      'custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 8: ' +
      'histogram custom bounds are too few',
  },
  {
    integer: true,
    histogram: '0,0,1,-53,4000000000000000,4022000000000000,4022000000000000,7ff8000000000001,8/0,,,,',
    problem:
      'custom buckets: only 0 custom bounds defined which is insufficient to cover total span length of 8: ' +
      'histogram custom bounds are too few',
  },
  {
    integer: false,
    histogram:
      '0,0,0,-53,0000000000000000,0000000000000000,4052b33333333334,c041b7fd3591b3ba,1/1 0/2,,0000000000000' +
      '000 4026000000000000 404fe66666666667,,bff0000000000000 c01c000000000000 4000000000000000',
    problem:
      'custom buckets: previous bound is -1.000000 and current is -7.000000: histogram custom bounds must b' +
      'e in strictly increasing order',
  },
  {
    integer: true,
    histogram:
      '0,0,0,-53,0000000000000000,0000000000000000,4052800000000000,c041b7fd3591b3ba,1/1 0/2,,0000000000000' +
      '000 4026000000000000 404f800000000000,,bff0000000000000 c01c000000000000 4000000000000000',
    problem:
      'custom buckets: previous bound is -1.000000 and current is -7.000000: histogram custom bounds must b' +
      'e in strictly increasing order',
  },
  {
    integer: false,
    histogram: '0,0,0,-53,3fd0000000000000,0000000000000000,0000000000000000,40172bb6a9fe0f5a,-1/0,,,,',
    problem: 'custom buckets: span number 1 with offset -1: histogram has a span whose offset is negative',
  },
  {
    integer: true,
    histogram: '0,0,0,-53,3fd0000000000000,0000000000000000,0000000000000000,40172bb6a9fe0f5a,-1/0,,,,',
    problem: 'custom buckets: span number 1 with offset -1: histogram has a span whose offset is negative',
  },
  {
    integer: false,
    histogram:
      '0,0,1,-53,0000000000000000,0000000000000000,4059c00000000000,4049f49b146d7a75,1/2,,4050800000000000 ' +
      '4042800000000000 3ff0000000000000,,c014000000000000 bff0000000000000',
    problem:
      'custom buckets: spans need 2 buckets, have 3 buckets: histogram spans specify different number of bu' +
      'ckets than provided',
  },
  {
    integer: true,
    histogram:
      '0,0,1,-53,0000000000000000,0000000000000000,4059c00000000000,7ff8000000000001,1/2,,4050800000000000 ' +
      '4042800000000000 3ff0000000000000,,c014000000000000 bff0000000000000',
    problem:
      'custom buckets: spans need 2 buckets, have 3 buckets: histogram spans specify different number of bu' +
      'ckets than provided',
  },
  {
    integer: false,
    histogram: '0,0,0,9,3f847ae147ae147b,4008000000000000,4008000000000000,c046ef0d5168de10,,,,,',
    problem:
      'histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for ' +
      'custom buckets, got schema 9',
  },
  {
    integer: true,
    histogram: '0,0,0,9,3f847ae147ae147b,4008000000000000,4008000000000000,c046ef0d5168de10,,,,,',
    problem:
      'histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for ' +
      'custom buckets, got schema 9',
  },
  {
    integer: false,
    histogram:
      '0,0,1,0,0000000000000000,0000000000000000,4054400000000000,c0516179ec934a63,1/1 1/1,,402200000000000' +
      '0 4052000000000000,,3ff0000000000000 4000000000000000 4014000000000000 4024000000000000',
    problem: 'histogram with exponential schema must not have custom bounds',
  },
  {
    integer: true,
    histogram:
      '0,0,1,0,0000000000000000,0000000000000000,4054400000000000,c0516179ec934a63,1/1 1/1,,402200000000000' +
      '0 4052000000000000,,3ff0000000000000 4000000000000000 4014000000000000 4024000000000000',
    problem: 'histogram with exponential schema must not have custom bounds',
  },
  {
    integer: false,
    histogram: '0,0,3,8,3ff0000000000000,0000000000000000,0000000000000000,4043140d57a6e454,,2/0 -2/0,,,',
    problem: 'negative side: span number 2 with offset -2: histogram has a span whose offset is negative',
  },
  {
    integer: true,
    histogram: '0,0,3,8,3ff0000000000000,0000000000000000,0000000000000000,7ff8000000000001,,2/0 -2/0,,,',
    problem: 'negative side: span number 2 with offset -2: histogram has a span whose offset is negative',
  },
  {
    integer: false,
    histogram: '0,0,0,4,3fe0000000000000,4022000000000000,4058000000000000,400633e5dcc34fdb,-2/1,,bff8000000000000,,',
    problem:
      'positive side: bucket number 1 has observation count of -1.5: histogram has a bucket whose observati' +
      'on count is negative',
  },
  {
    integer: true,
    histogram: '0,0,0,4,3fe0000000000000,4022000000000000,4058000000000000,400633e5dcc34fdb,-2/1,,bff0000000000000,,',
    problem:
      'positive side: bucket number 1 has observation count of -1: histogram has a bucket whose observation' +
      ' count is negative',
  },
  {
    integer: false,
    histogram: '0,0,0,8,0000000000000000,0000000000000000,0000000000000000,c0397946309e6a7d,,,3ff0000000000000,,',
    problem:
      'positive side: spans need 0 buckets, have 1 buckets: histogram spans specify different number of buc' +
      'kets than provided',
  },
  {
    integer: true,
    histogram: '0,0,0,8,0000000000000000,0000000000000000,0000000000000000,c0397946309e6a7d,,,3ff0000000000000,,',
    problem:
      'positive side: spans need 0 buckets, have 1 buckets: histogram spans specify different number of buc' +
      'kets than provided',
  },
  {
    integer: false,
    histogram: '0,0,1,1,3fd0000000000000,c000000000000000,4022000000000000,40603a8293c9c0d4,,,,,',
    problem: 'zero bucket has observation count of -2: histogram has a bucket whose observation count is negative',
  },
];
