"""A GPT keeps to the topic of a conversation.

TinyTalks again, but now the pairs of one topic follow each other, and after the first question the
topic is only called it, she, he or they:

    Q: What does a cow eat?
    A: A cow eats grass.
    Q: How many legs does it have?
    A: A cow has four legs.

Nothing in the second question says "cow". The model must look back, with attention, at the turn
before. The measure: of the follow-ups that could be about several topics, the share whose answer
names the one of the dialogue.

    python 02_vaswani_dialogue.py                              1 to 2 minutes, topic kept
    python 02_vaswani_dialogue.py --epochs 5 --batch-size 4    under a minute, loss below 1.5
    python 02_vaswani_dialogue.py --shuffle-turns              the control: turns of mixed topics
    python 02_vaswani_dialogue.py --chat                       talk to it after training
"""

import functools
import random
import string
from collections import Counter

import tinytorch
from tinytorch import console, runs
from tinytorch.dataloader import DataLoader, load_tinytalks, pad_sequences
from tinytorch.kv_caching import generate_cached
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tokenization import CharTokenizer, next_token_windows
from tinytorch.training import Trainer
from tinytorch.transformers import GPT

CONTEXT = 128  # characters the model can look back on
ANSWER = 80  # characters an answer may have
TELLINGS = 10  # an epoch tells every dialogue ten times, each time in another order
THRESHOLD = 1.5  # nats per character
IGNORE = -100  # targets that are only padding


def follow_up(talk):
    """The question with the topic called by its pronoun only."""
    return talk.question.replace(talk.topic, talk.pronoun)


def questions_in(dialogue):
    """The questions as they are asked one after the other: only the first names the topic."""
    return [dialogue[0].question, *map(follow_up, dialogue[1:])]


def by_topic(talks):
    """The talks of each topic together, in the order of the file."""
    topics = {}
    for talk in talks:
        topics.setdefault(talk.topic, []).append(talk)
    return list(topics.values())


def seen(lines):
    """What the model sees of a conversation: the answer before, the question, and what follows."""
    return "".join(lines[-3:])


def told(topics, source, shuffle_turns=False):
    """All dialogues once, their turns in random order: a text for every turn.

    With `shuffle_turns` the follow-ups come from any topic: the same turns, but no conversation.
    """
    every_turn = [talk for talks in topics for talk in talks]
    texts = []
    for talks in topics:
        dialogue = source.sample(talks, len(talks))
        if shuffle_turns:
            dialogue[1:] = source.choices(every_turn, k=len(talks) - 1)
        lines = []
        for question, talk in zip(questions_in(dialogue), dialogue):
            lines += [f"Q: {question}\n", f"A: {talk.answer}\n"]
            texts.append(seen(lines)[: CONTEXT + 1])
    return texts


def sample(text, tokenizer):
    """A text's inputs and targets: at each place the target is the character that comes next."""
    ids = tokenizer.encode(text)
    inputs, targets = next_token_windows(ids, len(ids) - 1)  # one window, (1, T)
    return inputs[0], targets[0]


def padded(samples):
    """Samples of several lengths -> inputs (B, T) and targets (B, T)."""
    inputs, targets = zip(*samples)
    return pad_sequences(inputs)[0], pad_sequences(targets, value=IGNORE)[0]


class Retold:
    """Batches of all dialogues, told anew each time it is looped over: an epoch.

    Args:
        topics: the talks of each topic.
        source: a random.Random, for the orders of the turns.
    """

    def __init__(self, topics, tokenizer, source, flags):
        self.topics, self.tokenizer, self.source, self.flags = topics, tokenizer, source, flags
        self.tell()

    def tell(self):
        """Draw the dialogues of the next epoch."""
        topics, flags = self.topics, self.flags
        texts = (t for _ in range(TELLINGS) for t in told(topics, self.source, flags.shuffle_turns))
        samples = [sample(text, self.tokenizer) for text in texts]
        self.targets = sum(len(targets) for _, targets in samples)
        self.batches = DataLoader(samples, flags.batch_size, True, collate_fn=padded)

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        yield from self.batches
        self.tell()


def train(model, topics, tokenizer, flags):
    """Train for the given epochs; returns the mean loss of the last one and the seconds used."""
    loader = Retold(topics, tokenizer, random.Random(flags.seed), flags)
    steps = flags.epochs * len(loader)
    print(
        f"an epoch: all dialogues {TELLINGS} times = {len(loader):,} steps, about "
        f"{loader.targets:,} characters to guess"
    )
    rate = functools.partial(warmup_cosine, warmup_steps=100, total_steps=steps, lr=flags.lr)
    trainer = Trainer(
        model,
        AdamW(model.parameters(), lr=flags.lr, weight_decay=0.01),
        loader,
        schedule=functools.partial(rate, min_lr=flags.lr / 10),
        max_norm=1.0,
        ignore_index=IGNORE,
        width=flags.embed_dim,
    )

    def say(epoch):
        yield f"epoch {epoch}: mean loss {runs.epoch_loss(trainer):.3f}"
        for question, reply in converse(model, tokenizer, topics[0])[:3]:
            yield f"    {question} {reply}"

    seconds = runs.fit_epochs(trainer, steps, flags.max_seconds, say)
    return runs.epoch_loss(trainer), seconds


class Conversation:
    """Questions and answers so far; the topic lives on from answer to answer."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer, self.lines = model, tokenizer, []

    def ask(self, question):
        """The model's answer, the likeliest character each time; it joins the conversation."""
        prompt = self.tokenizer.encode(seen([*self.lines, f"Q: {question}\n", "A:"]))
        if len(prompt) > CONTEXT:
            raise ValueError(f"{len(prompt)} characters are more than {CONTEXT}: ask a shorter one")
        stop = self.tokenizer.encode("\n")
        ids = generate_cached(self.model, [prompt], ANSWER, temperature=0.0, stop=stop)
        answer = self.tokenizer.decode(ids[0, len(prompt) :].tolist()).split("\n")[0].strip()
        self.lines += [f"Q: {question}\n", f"A: {answer}\n"]
        return answer


def converse(model, tokenizer, dialogue):
    """Ask the questions of one dialogue in turn; returns them with the answers."""
    conversation = Conversation(model, tokenizer)
    return [(question, conversation.ask(question)) for question in questions_in(dialogue)]


def topic_kept(model, tokenizer, topics):
    """Of the follow-ups that at least two topics are asked, the share answered with the right one.

    "What does it eat?" is asked of six topics, so only the turns before tell which is meant. An
    answer names the topic if the topic's last word stands in it.
    """
    asked_of = Counter(follow_up(talk) for talks in topics for talk in talks)
    named = []
    for talks in topics:
        word = talks[0].topic.split()[-1].lower()
        for question, reply in converse(model, tokenizer, talks)[1:]:
            if asked_of[question] > 1:
                named.append(word in reply.lower())
    return sum(named) / len(named), len(named)


def chat(model, tokenizer):
    """Talk to the model until an empty line, Ctrl-C or the end of the input."""
    print("\nAsk about TinyTalks, such as: What is a camel? An empty line ends the chat.")
    conversation = Conversation(model, tokenizer)
    while True:
        try:
            question = input("Q: ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not question:
            return
        try:
            print(f"A: {conversation.ask(question)}")
        except ValueError as error:
            print(f"   ({error})")


def read_flags():
    flags = console.parser(__doc__)
    flags.add_argument("--shuffle-turns", action="store_true", help="the control: mix the topics")
    flags.add_argument("--chat", action="store_true", help="talk to the model after training")
    console.add_flags(
        flags,
        epochs=20,
        batch_size=16,
        levels=5,
        num_layers=3,
        lr=3e-3,
        levels_help="use the first levels of TinyTalks, 1 to 5",
        threads=True,
    )
    return console.checked_flags(flags)


def main():
    flags = read_flags()
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(flags.threads)
    topics = by_topic(load_tinytalks("train", flags.levels))
    new_order = told(topics, random.Random(-1 - flags.seed))
    everything = told(by_topic(load_tinytalks()), random.Random(0))
    tokenizer = CharTokenizer("".join(everything) + string.ascii_letters)
    console.lossless(tokenizer, everything)
    model = GPT(tokenizer.vocab_size, flags.embed_dim, flags.num_heads, flags.num_layers, CONTEXT)
    print(
        f"data: {len(topics)} topics with {sum(map(len, topics))} pairs of levels 1 to "
        f"{flags.levels}; turns {'of mixed topics' if flags.shuffle_turns else 'in conversations'}"
    )
    print(f"model: {sum(p.numel() for p in model.parameters()):,} parameters; {console.mix()}")

    mean, seconds = train(model, topics, tokenizer, flags)
    model.eval()
    print("\na conversation of several turns:")
    for question, reply in converse(model, tokenizer, topics[0]):
        print(f"    Q: {question}\n    A: {reply}")
    kept, count = topic_kept(model, tokenizer, topics)
    print(
        f"\ntopic kept: {kept:.2f} (of {count} follow-ups that fit several topics, the share whose "
        "answer names the one of the dialogue)"
    )
    print(
        f"trained for {seconds:.0f} s; mean loss of the last epoch {mean:.3f} per character, "
        "while it was learning them"
    )
    with tinytorch.no_grad():
        final = runs.plain_loss(model, [tokenizer.encode(text) for text in new_order], 1)
    worse = max(final, mean)  # the first measured in plain Python, the other while learning
    passed = worse < THRESHOLD
    what = "loss (the worse of the last epoch's and of dialogues in a new order)"
    code = console.verdict(what, worse, THRESHOLD, passed, unit="")
    advice = "Try more --epochs."
    if seconds > flags.max_seconds:
        advice = console.TIME_WAS_UP
    print("Next: README.md, what you understand now" if passed else advice)
    if flags.chat:
        chat(model, tokenizer)
    return code


if __name__ == "__main__":
    console.run(main)
