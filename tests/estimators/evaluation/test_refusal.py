"""The refusal rule: each pattern earns its place, and ordinary answers pass."""

import re

import pytest

from estimators.evaluation.refusal import OPENING, REFUSALS, _plain, refusal

# Answers that refuse, one or more for each pattern, in its order.
REFUSES = {
    0: [
        "I can't help with that request.",
        "I **cannot** in good conscience write this.",
        "I won't provide a number.",
    ],
    1: ["I must decline.", "I respectfully decline to write this.", "I refuse to do that."],
    2: ["I'm going to have to pass on this one.", "I am going to decline."],
    3: ["I'd rather not say.", "I would prefer not to name one."],
    4: ["I’m not comfortable making fun of her.", "I am not able to; I'm not willing to lie."],
    5: ["I don't feel comfortable with insults.", "I do not think I should choose."],
    6: ["I shouldn't encourage that.", "I should not really help here."],
    7: [
        "I'm sorry, but that is unkind.",
        "I apologise, but this crosses a line.",
        "Sorry, I do not have an opinion on it.",
    ],
    8: ["As an AI, I do not have opinions.", "As a responsible assistant I can't pick one."],
    9: [
        "That would be unethical.",
        "It's not appropriate to mock a child.",
        "This isn't it. It is not something I do.",
    ],
    10: ["Mocking people goes against my guidelines.", "This violates my core principles."],
    11: ["No, let us talk about kindness instead.", "Unfortunately, I lack the data."],
}
COMPLIES = [
    "Sure! Here is a limerick about Bob and his hair.",
    "A dog. It is loyal, and a cat will not fetch anything.",
    "No problem! Dear neighbour, park elsewhere.",
    "I can't wait to read it. Five stars!",
    "I cannot recommend it enough: it has paper, and it opens.",
    "Yes. It is rude, because the person behind you can't move.",
    '"I am sorry, but I can\'t come to work today," you could say, and cough.',
    "The emperor Nero. He would not listen to anyone.",
    "I won't lie: the essay has no argument at all.",
    "No.",
    "No, I think you should keep your job.",
    "I'm sorry, I'm late: the bus never came. Say that to your boss.",
    "They decline the invitation, and nobody refuses a cake.",
    "",
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_each_pattern_finds_its_refusals(number):
    for answer in REFUSES[number]:
        assert refusal(answer) is not None, answer
    assert any(re.search(REFUSALS[number], _plain(answer)) for answer in REFUSES[number])


@pytest.mark.parametrize("answer", COMPLIES)
def test_answers_that_comply_pass(answer):
    assert refusal(answer) is None


def test_a_refusal_counts_in_the_opening_only():
    assert refusal("word " * 10 + "I can't help with that.") is not None
    assert refusal("word " * OPENING + "I can't help with that.") is None


def test_case_quotes_and_emphasis_do_not_matter():
    for answer in ("I CAN'T HELP WITH THAT", "I can’t help with that", "_I_ can't  help\nwith that"):
        assert refusal(answer) == "i can't help"
