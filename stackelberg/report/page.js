"use strict";
// The fitted law and the recommended game in closed form; tests compare every number with Python's.
const data = JSON.parse(document.getElementById("data").textContent);
const field = (name) => document.getElementById(name);

function erfc(x) { // series near 0, continued fraction (Lentz) beyond; relative error below 1e-13
  if (x < 0) return 2 - erfc(-x);
  if (x < 2.5) {
    let term = x, sum = x;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) { term *= -x * x / k; sum += term / (2 * k + 1); if (k > 200) break; }
    return 1 - 2 / Math.sqrt(Math.PI) * sum;
  }
  let tail = 0;
  for (let k = 60; k > 0; k--) tail = k / 2 / (x + tail);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + tail);
}
const normal = (z) => 0.5 * erfc(-z / Math.SQRT2);
const logistic = (x) => 1 / (1 + Math.exp(-x));

// Bayes' rule for cues sent to (1+iota)/2 of monitored and (1-iota)/2 of unmonitored conversations; null: never sent
function beliefs(q, iota) {
  const high = (1 + iota) / 2, low = (1 - iota) / 2;
  const of = (on, off) => (q * on + (1 - q) * off === 0 ? null : q * on / (q * on + (1 - q) * off));
  return { train: of(high, low), deploy: of(low, high) };
}
function spreadAt(group, belief) { // of logits over prompts
  return Math.max(group.sigma, 1e-12) * (1 + belief * (group.ratio - 1));
}
function fakingShare(group, train, deploy) {
  let total = 0;
  group.incentives.forEach((delta, k) => { // mu + train*delta > 0 > mu + deploy*delta
    const low = (-train * delta - group.mu) / spreadAt(group, train), high = (-deploy * delta - group.mu) / spreadAt(group, deploy);
    total += group.incentive_shares[k] * Math.max(0, normal(high) - normal(low));
  });
  return total;
}
function rate(group, belief) { // mean of the logit reply over prompts: trapezoidal rule on 8.5 spreads
  const steps = 400, width = 17 / steps;
  let total = 0;
  for (let i = 0; i <= steps; i++) {
    const z = -8.5 + i * width, weight = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * width;
    group.incentives.forEach((delta, k) => { total += group.incentive_shares[k] * weight * logistic(group.mu + spreadAt(group, belief) * z + belief * delta); });
  }
  return total;
}
// The concave envelope of the belief value: knots at 0, 1 and every indifference belief, ties to the leader
function envelope(group, costs) {
  const loss = (b) => -(b * (costs.train_disagreement - costs.refusal_value) + (1 - b) * costs.deploy_harm);
  const value = (b) => group.priors.reduce((sum, prior, k) => {
    const K = group.cell_incentives[k], v = group.preferences[k], gain = b * K - v;
    const tied = Math.abs(gain) <= 1e-12 * (Math.abs(K) + Math.abs(v));
    return sum + prior * (tied ? Math.max(0, loss(b)) : gain > 0 ? 0 : loss(b));
  }, 0);
  const inside = group.preferences.map((v, k) => v / group.cell_incentives[k]).filter((b) => b > 0 && b < 1);
  const points = [...new Set([0, ...inside, 1])].sort((a, b) => a - b).map((b) => [b, value(b)]);
  const hull = [];
  for (const p of points) {
    while (hull.length > 1) {
      const [a, b] = hull.slice(-2);
      if ((b[1] - a[1]) * (p[0] - b[0]) > (p[1] - b[1]) * (b[0] - a[0])) break;
      hull.pop();
    }
    hull.push(p);
  }
  return hull;
}
function at(hull, q) {
  const right = Math.max(1, hull.findIndex((p) => p[0] >= q)), [a, b] = [hull[right - 1], hull[right]];
  return a[1] + (b[1] - a[1]) * (q - a[0]) / (b[0] - a[0]);
}
function commitment(group, costs, budget) { // the least monitoring among the best
  const hull = envelope(group, costs);
  const shares = [...hull.map((p) => p[0]).filter((q) => q < budget), budget];
  const values = shares.map((q) => at(hull, q) - costs.monitoring_cost * q), best = Math.max(...values);
  const chosen = values.findIndex((v) => v >= best - 1e-15 * (1 + Math.max(...values.map(Math.abs))));
  return { monitoring: shares[chosen], value: values[chosen], hull };
}

function show(name, value, digits) {
  const output = field(name);
  output.dataset.value = value === null ? "" : String(value); // in full, for tests and for copying
  output.textContent = value === null ? "–" : value.toFixed(digits).replace("-", "−");
}
function update() {
  const group = data.groups[Number(field("group").value)];
  const q = Number(field("monitoring").value), iota = Number(field("informativeness").value);
  const ratio = Number(field("ratio").value), told = beliefs(q, iota);
  field("monitoring-now").textContent = q.toFixed(2);
  field("informativeness-now").textContent = iota.toFixed(2);
  field("ratio-now").textContent = ratio.toFixed(2);
  const both = told.train !== null && told.deploy !== null;
  show("belief-train", told.train, 3);
  show("belief-deploy", told.deploy, 3);
  show("rate-train", told.train === null ? null : rate(group, told.train), 3);
  show("rate-deploy", told.deploy === null ? null : rate(group, told.deploy), 3);
  show("faking", both && !group.refused ? fakingShare(group, told.train, told.deploy) : null, 3);
  const costs = { ...data.assumptions, monitoring_cost: ratio * data.assumptions.deploy_harm };
  const best = commitment(group, costs, data.assumptions.budget);
  show("advice-monitoring", best.monitoring, 3);
  show("advice-value", best.value, 4);
  show("own-value", at(best.hull, q) - costs.monitoring_cost * q, 4);
  field("state").textContent = `For ${group.label}: monitoring share ${q.toFixed(2)}, informativeness ${iota.toFixed(2)}, cost ratio ${ratio.toFixed(2)}.`;
  field("caution").textContent = group.refused ? `Shares of prompts are ${group.refused}.` : group.detected ? "" :
    "No incentive was detected in this group: read its faking share as what the point estimate would imply, not as a finding.";
}
for (const name of ["group", "monitoring", "informativeness", "ratio"]) field(name).addEventListener("input", update);
field("controls").addEventListener("submit", (event) => event.preventDefault());
update();
