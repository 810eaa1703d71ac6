"""The stated losses against TRL's own code, on a model that is one logit per prompt.

TRL and torch are no extra of ours (they are large); without them, or with a version whose private methods differ,
the tests say so and skip.
"""

from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from stackelberg.faking.training.losses import expected_loss
from stackelberg.faking.training.objectives import DPO, GRPO, KTO, SFT

torch = pytest.importorskip("torch", reason="torch is not installed: losses are not compared with TRL's")
trl = pytest.importorskip("trl", reason="trl is not installed: losses are not compared with TRL's")
if tuple(int(part) for part in trl.__version__.split(".")[:2]) < (1, 16):
    pytest.skip(f"trl is {trl.__version__}: written against 1.16", allow_module_level=True)

COMPLY, REFUSE = 1, 2
rng = np.random.default_rng(0)
POINTS = [tuple(float(x) for x in rng.uniform(-4, 4, 2)) for _ in range(50)]


class Outputs(SimpleNamespace):
    """A forward pass; whatever TRL reads only to log it is zero."""

    def __getattr__(self, name):
        return torch.zeros(self.log_probs.shape, dtype=torch.long)


class OneLogit(torch.nn.Module):
    """Every answer is one token; its log-probability comes from one logit."""

    is_gradient_checkpointing = False

    def __init__(self, logit):
        super().__init__()
        self.logit = torch.nn.Parameter(torch.tensor(logit, dtype=torch.float64))

    def forward(self, input_ids, **_):
        sign = torch.where(input_ids[:, 1:] == COMPLY, 1.0, -1.0).to(torch.float64)
        return Outputs(log_probs=torch.nn.functional.logsigmoid(sign * self.logit))


def trainer(model, reference, **attributes):
    """What the losses read from a trainer; what only feeds its log is a mock."""
    stub = MagicMock()
    stub.model, stub.ref_model = model, reference
    stub.accelerator.gather_for_metrics = lambda x: x
    stub.accelerator.gather = lambda x: x
    stub.accelerator.device = torch.device("cpu")
    stub.accelerator.num_processes = 1
    for name, value in attributes.items():
        setattr(stub, name, value)
    return stub


def slope(loss, model):
    model.logit.grad = None
    loss.backward()
    return float(model.logit.grad)


def answers(*tokens):
    ids = torch.tensor([[0, token] for token in tokens])
    mask = torch.tensor([[0, 1]] * len(tokens))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "completion_mask": mask}


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo(beta):
    from trl import DPOTrainer

    for logit, reference in POINTS:
        model = OneLogit(logit)
        stub = trainer(
            model, OneLogit(reference), loss_types=["sigmoid"], loss_weights=[1.0], beta=beta, ld_alpha=None,
            f_divergence_type="reverse_kl", precompute_ref_logps=False, use_weighting=False, aux_loss_enabled=False,
        )  # fmt: skip
        loss = DPOTrainer._compute_loss(stub, model, answers(COMPLY, REFUSE), False)
        assert loss.item() == pytest.approx(
            float(expected_loss(DPO(beta=beta), logit, reference, logit)), abs=1e-9
        )
        assert -slope(loss, model) == pytest.approx(float(DPO(beta=beta).drift(logit, reference)), abs=1e-9)


@pytest.mark.parametrize(("up", "down"), [(1.0, 1.0), (4 / 3, 1.0)])
def test_kto(up, down):
    """A batch of one desired compliance and one undesired refusal: the mismatched answers are the same two."""
    from trl import KTOTrainer

    objective = KTO(beta=0.3, desirable_weight=up, undesirable_weight=down)
    for logit, reference in POINTS:
        model = OneLogit(logit)
        stub = trainer(
            model, OneLogit(reference), loss_type="kto", beta=0.3, desirable_weight=up, undesirable_weight=down,
            calculate_KL=True, precompute_ref_logps=False, aux_loss_enabled=False,
        )  # fmt: skip
        stub._compute_kl_logps = lambda m, batch: m(batch["KL_input_ids"]).log_probs.sum(-1)
        batch = answers(COMPLY, REFUSE) | {"label": torch.tensor([True, False])}
        batch["KL_input_ids"] = torch.tensor([[0, REFUSE], [0, COMPLY]])
        loss = KTOTrainer._compute_loss(stub, model, batch, False)
        assert loss.item() == pytest.approx(
            float(expected_loss(objective, logit, reference, logit)), abs=1e-9
        )
        assert -slope(loss, model) == pytest.approx(float(objective.drift(logit, reference)), abs=1e-9)


@pytest.mark.parametrize("complied", [1, 3])
@pytest.mark.parametrize("kl", [0.0, 0.04])
def test_grpo_on_one_group(complied, kl):
    """Advantages by torch's standard deviation; the drift is the mean of such groups, so one group is compared."""
    from trl import GRPOTrainer

    size = 4
    for logit, reference in POINTS[:20]:
        model, frozen = OneLogit(logit), OneLogit(reference)
        rewards = torch.tensor([1.0] * complied + [0.0] * (size - complied), dtype=torch.float64)
        tokens = [COMPLY] * complied + [REFUSE] * (size - complied)
        batch = answers(*tokens)
        log_probs = model(batch["input_ids"]).log_probs
        stub = trainer(
            model, frozen, loss_type="grpo", beta=kl, importance_sampling_level="token", epsilon_low=0.2,
            epsilon_high=0.2, top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False,
            _entropy_bonus_enabled=False,
            current_gradient_accumulation_steps=1, tools=None, aux_loss_enabled=False,
        )  # fmt: skip
        stub.args.use_bias_correction_kl, stub.args.delta = False, None
        stub._get_per_token_logps_and_entropies = lambda *_, lp=log_probs, **__: (
            lp,
            torch.zeros_like(lp),
            None,
        )
        inputs = {
            "prompt_ids": batch["input_ids"][:, :1],
            "prompt_mask": torch.ones(size, 1, dtype=torch.long),
            "completion_ids": batch["input_ids"][:, 1:],
            "completion_mask": torch.ones(size, 1, dtype=torch.long),
            "advantages": (rewards - rewards.mean()) / rewards.std(),
            "ref_per_token_logps": frozen(batch["input_ids"]).log_probs.detach(),
        }
        found = -slope(GRPOTrainer._compute_loss(stub, model, inputs), model)
        share, p, then = complied / size, 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-reference))
        # the group's own update, and the coded k3 term on the group's own answers
        expected = share * (1 - share) / float(rewards.std())
        pull = share * (1 - then / p) * (1 - p) - (1 - share) * (1 - (1 - then) / (1 - p)) * p
        assert found == pytest.approx(expected - kl * pull, abs=1e-7)


def test_the_groups_updates_average_to_the_drift():
    """Ties the group of the test above to the drift: the binomial mean of its update and of its k3 term."""
    from scipy.stats import binom

    for logit, reference in POINTS:
        p, then, k = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-reference)), np.arange(5) / 4
        deviation = np.sqrt(np.maximum(k * (1 - k) * 4 / 3, 1e-300))
        update = np.where((k > 0) & (k < 1), k * (1 - k) / deviation, 0)
        pull = k * (1 - then / p) * (1 - p) - (1 - k) * (1 - (1 - then) / (1 - p)) * p
        mean = binom.pmf(np.arange(5), 4, p) @ (update - 0.04 * pull)
        assert mean == pytest.approx(float(GRPO(group_size=4, kl=0.04).drift(logit, reference)), abs=1e-9)


def test_sft():
    """Cross entropy of the compliant answer, which TRL leaves to torch."""
    for logit, reference in POINTS:
        model = OneLogit(logit)
        loss = -model(answers(COMPLY)["input_ids"]).log_probs.mean()
        assert -slope(loss, model) == pytest.approx(float(SFT().drift(logit, reference)), abs=1e-9)
