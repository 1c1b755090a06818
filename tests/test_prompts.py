from favor.prompts import dialogue


def test_a_single_question_is_its_own_instruction():
    assert dialogue([], "Who sings?") == "Who sings?"


def test_turns_follow_each_other_as_in_the_release():
    text = dialogue([("Who sings?", "A woman."), ("And then?", "A man.")], "Why?")
    assert text == "Who sings?\nASSISTANT: A woman.\n USER: And then?\nASSISTANT: A man.\n USER: Why?"
