"""What a training method does to a policy, and so to the incentive to fake: tabular policy optimisation over a cue.

A prompt's policy is one number, the *logit* of the probability that it complies.  Training on a cue moves that
logit at a speed that the method sets, its *drift*; some of the move carries over to the other cue.

=========================  ==========================================  ==============================
in formulas                in code                                     unit
=========================  ==========================================  ==============================
:math:`\\eta`               ``logit``                                   log-odds of complying
:math:`\\eta_{ref}`         ``reference``                               log-odds
:math:`p=\\Lambda(\\eta)`    ``expit(logit)``                            probability
:math:`\\Phi`               ``Objective.drift``                         log-odds per dose
:math:`\\tau`               ``dose``: learning rate times steps         that of the learning rate
:math:`g`                  ``generalisation``                          share of a shift that carries over
:math:`x_T`                ``train_share``                             share of training on the train cue
:math:`a, -b`              ``TrainingRun.plan_logit``, ``.own_logit``  log-odds
:math:`M_R, M_F`           ``refused_change``, ``complied_change``     probability
:math:`\\delta_m`           ``Method.modification``                     probability
:math:`D`                  ``deployments``                             conversations
=========================  ==========================================  ==============================

``objectives`` has the methods and their drifts, ``losses`` the losses that these are the gradients of, ``flow``
the path over both cues, ``modification`` what a run does to a faker and to a refuser, ``outcomes`` what it does
to prompts that do not plan, and ``dynamics`` what a strategic model does over rounds.  This file imports nothing,
so that ``import stackelberg`` stays light.

**Limits.**  Two actions, one logit per prompt and cue, one scalar of generalisation, gradient descent in
expectation: no Adam, tokens or lengths.  A plan is a logit that the model holds by fiat.
"""
